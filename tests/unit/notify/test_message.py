"""What people are told, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from policies.lifecycle import Closing, Containment, Release
from policies.vocabulary import (
    ApprovalRequest,
    Decision,
    Finding,
    Message,
    Outcome,
    Stage,
    Step,
    TrafficPlan,
    Verdict,
)
from tasks.notify import message

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = Step(name="canary 5 %", stage=Stage.CANARY, weight_bp=500, mirror=True)
SHADOW = Step(name="shadow", stage=Stage.SHADOW, mirror=True)
STATE = Release(
    release_id="rel-1",
    model="delay",
    version="2",
    step=CANARY,
    plan=TrafficPlan(model="delay", champion=None, weight_bp=500, mirror=True),
    next_look=NOON,
    verdict=Verdict(
        decision=Decision.HOLD, finding=Finding.NOT_ENOUGH_EVIDENCE, reason="Not yet shown."
    ),
)
REQUEST = ApprovalRequest.model_validate(
    {
        "request_id": "req-1",
        "nonce": "n",
        "release_id": "rel-1",
        "gate": "canary",
        "model": "delay",
        "version": "2",
        "artefact_digest": "sha256:" + "a" * 64,
        "evidence_digest": "sha256:" + "b" * 64,
        "policy_digest": "sha256:" + "c" * 64,
        "requester": "rita",
        "roles": {"peer": 2},
        "asked_at": NOON,
        "expires_at": NOON,
    }
)


@dataclass(frozen=True)
class Stopped:
    incident_id: str = "inc-1"
    release_id: str = "rel-1"
    model: str = "delay"
    severity: str = "SEV2"
    severity_reason: str = "It answered 10 % of the traffic."
    title: str = "delay v2 stopped at ramp 10 %"
    reason: str = "quality is worse."
    on_call: str = "ml-on-call"
    runbook: str = "docs/run.md"
    seconds_to_zero_traffic: float | None = 0.42


def closed(outcome: Outcome) -> Release:
    end = Closing(
        outcome=outcome,
        stage="canary 5 %",
        finding=None,
        reason="Told.",
        exposed_requests=1234,
        seconds_to_zero_traffic=0.4,
    )
    return STATE.model_copy(update={"closing": end})


def contained() -> Release:
    why = Containment(
        reason="quality is worse.", finding=Finding.HARMFUL, outcome=Outcome.ROLLED_BACK
    )
    return STATE.model_copy(update={"containment": why})


def test_a_release_of_which_nothing_is_known_can_still_be_told() -> None:
    """Builders never fail on a release that has only just begun."""
    blank = Release(release_id="rel-0", model="delay", version="2")
    for made in (
        message.stage_change(blank, None),
        message.hold(blank),
        message.rollback_done(blank, None),
        message.release_complete(blank),
        message.approval_wanted(blank, REQUEST),
    ):
        assert made.title


@pytest.mark.parametrize(
    ("made", "title"),
    [
        (message.stage_change(STATE, SHADOW), "delay v2: canary 5 %"),
        (message.hold(STATE), "delay v2 holds at canary 5 %"),
        (message.approval_wanted(STATE, REQUEST), "delay v2: sign-off wanted for canary"),
        (message.page(Stopped()), "SEV2 delay v2 stopped at ramp 10 %"),
        (message.rollback_done(contained(), 12), "delay v2 rolled back at canary 5 %"),
        (message.release_complete(closed(Outcome.RELEASED)), "delay v2 is the champion now"),
        (
            message.source_down("delay", "rel-1", "The gateway is silent."),
            "delay: the release waits, something it needs is down",
        ),
    ],
)
def test_every_message_has_its_title_and_its_thread(made: Message, title: str) -> None:
    """The title alone says which model and what happened; one release is one thread."""
    assert made.title == title
    assert made.thread == "rel-1"
    assert made.commands


def test_a_page_says_what_how_bad_and_what_to_run() -> None:
    """Somebody woken at night needs one message."""
    page = message.page(Stopped())
    assert page.severity == "SEV2"
    assert page.body == "quality is worse. It answered 10 % of the traffic."
    assert ("On call", "ml-on-call") in page.facts
    assert "seatrial kill delay --reason WHY" in page.commands


def test_an_unmeasured_time_is_not_told_as_zero() -> None:
    """What was not measured is said to be so."""
    page = message.page(Stopped(seconds_to_zero_traffic=None))
    assert "0.0 s" not in dict(page.facts)["Time to zero traffic"]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_words(outcome: Outcome) -> None:
    """No end of a release is left without a sentence."""
    made = message.release_complete(closed(outcome))
    assert made.title.startswith("delay v2 ")
    assert ("Requests it answered", "1,234") in made.facts
    assert ("Documents", "documents/rel-1 in the home") in made.facts


def test_an_approval_names_the_command_for_every_role() -> None:
    """A reader can sign by copying one line."""
    made = message.approval_wanted(STATE, REQUEST, link="http://localhost/runs/1")
    assert made.commands == ("seatrial approve req-1 --as NAME --role peer --key KEY",)
    assert ("Who must sign", "2 × peer") in made.facts
    assert made.links == (("Evidence and form", "http://localhost/runs/1"),)
