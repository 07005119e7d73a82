"""What people are told, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.lifecycle import Closing, Containment, Release
from policies.loader import find
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
from policies.watching import Alarm
from tasks.notify import alarm, message
from tasks.notify.words import brief
from tests.unit.letters import LETTERS

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
        message.rollback_done(blank),
        message.release_complete(blank),
        message.approval_wanted(blank, REQUEST),
    ):
        assert made.title


@pytest.mark.parametrize(
    ("made", "title"),
    [
        (message.stage_change(STATE, SHADOW), "delay v2: canary 5 %"),
        (message.hold(STATE), "delay v2 holds at canary 5 %: not enough evidence"),
        (message.approval_wanted(STATE, REQUEST), "delay v2: sign-off wanted for canary"),
        (message.page(Stopped()), "SEV2 delay v2 stopped at ramp 10 %"),
        (message.rollback_done(contained()), "delay v2 rolled back at canary 5 %"),
        (message.release_complete(closed(Outcome.RELEASED)), "delay v2 is the champion now"),
        (
            message.source_down("delay v2", "rel-1", "The gateway is silent."),
            "delay v2 waits: something it needs is down",
        ),
    ],
)
def test_every_message_has_its_title_and_its_thread(made: Message, title: str) -> None:
    """The title alone says which model and what happened; one release is one thread."""
    assert made.title == title
    assert made.thread == "rel-1"
    assert made.commands


def test_a_page_says_what_how_bad_and_what_to_run() -> None:
    """Somebody woken at night needs one message, the runbook, and exactly two commands."""
    page = message.page(Stopped())
    assert (page.kind, page.severity, page.to) == ("page", "SEV2", ("ml-on-call",))
    assert page.body.splitlines() == [
        "No request reaches it any more, since 0.4 s after the decision.",
        "Why: quality is worse.",
        "How bad: It answered 10 % of the traffic.",
    ]
    assert [command.split("  # ")[0] for command in page.commands] == [
        "seatrial why rel-1",
        "seatrial kill delay --reason WHY",
    ]
    assert page.links == (("Runbook", "docs/run.md"),)


@pytest.mark.parametrize("severity", ["SEV3", "SEV4"])
def test_what_can_wait_wakes_nobody(severity: str) -> None:
    """Told, and read in the morning: a mention would wake as well."""
    told = message.page(Stopped(severity=severity))
    assert (told.kind, told.to) == ("incident", ())


def test_an_unmeasured_time_is_not_told_as_zero() -> None:
    """What was not measured is not said to have been quick."""
    assert "No request" not in message.page(Stopped(seconds_to_zero_traffic=None)).body
    told = dict(message.rollback_done(contained()).facts)
    assert told["Time to zero traffic"] == "not measured: it had no traffic"


@given(st.text(LETTERS, max_size=900), st.integers(40, 300))
def test_a_brief_reason_is_a_beginning_of_it(reason: str, limit: int) -> None:
    """Short enough for a phone; what is left out is seen to be."""
    told = brief(reason, limit)
    whole = " ".join(reason.split())
    assert len(told) <= limit
    assert told == whole or (told.endswith("…") and whole.startswith(told[:-1]))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_words(outcome: Outcome) -> None:
    """No end of a release is left without a sentence."""
    made = message.release_complete(closed(outcome))
    assert made.title.startswith("delay v2 ")
    assert made.kind == ("rollback" if outcome is Outcome.ROLLED_BACK else "complete")
    assert ("Requests it answered", "1,234") in made.facts
    assert ("Documents", "documents/rel-1 in the home") in made.facts


def test_an_approval_names_the_command_for_every_role() -> None:
    """A reader can sign by copying one line."""
    made = message.approval_wanted(STATE, REQUEST, link="http://localhost/runs/1")
    assert made.commands == ("seatrial approve req-1 --as NAME --role peer --key KEY",)
    assert ("Who must sign", "2 × peer") in made.facts
    assert made.links == (("Evidence and form", "http://localhost/runs/1"),)


def test_many_roles_share_one_command() -> None:
    """Seven commands would fill the screen; who must sign is told beside it."""
    roles = {"peer": 1, "manager": 1, "legal": 2}
    made = message.approval_wanted(STATE, REQUEST.model_copy(update={"roles": roles}))
    assert made.commands == ("seatrial approve req-1 --as NAME --role ROLE --key KEY",)
    assert made.to == ("legal", "manager", "peer")
    assert ("Who must sign", "2 × legal, 1 × manager, 1 × peer") in made.facts


POLICED = STATE.model_copy(
    update={"policy_document": find("low").policy.model_dump(mode="json"), "request": REQUEST}
)


def found(about: str, **more: Any) -> Alarm:
    told = {"about": about, "why": "Told.", "after": 1, "since": NOON} | more
    return Alarm.model_validate(told)


@pytest.mark.parametrize("about", ["people", "proof", "overdue", "lost"])
@pytest.mark.parametrize("escalated", [False, True])
def test_a_pause_names_who_can_end_it_and_how(about: str, escalated: bool) -> None:
    """Two commands; the escalation goes to on-call as well, and says that nobody acted."""
    made = alarm.paused(POLICED, found(about, missing=("1 × peer",), escalated=escalated))
    assert len(made.commands) == 2
    wakes = escalated or about in ("overdue", "lost")
    assert made.kind == ("page" if wakes else "pause")
    assert ("ml-on-call" in made.to) is wakes
    assert made.title.startswith("Still: ") is escalated
    assert bool(made.links) is wakes


def test_missing_sign_offs_are_named() -> None:
    """Who has not signed is told, by role; one role's command can be copied as it stands."""
    made = alarm.paused(POLICED, found("people", missing=("1 × manager",)))
    assert made.to == ("manager",)
    assert ("Missing", "1 × manager") in made.facts
    assert made.commands[0].startswith("seatrial approve req-1 --as NAME --role manager")


def test_every_page_has_two_commands_and_its_runbook() -> None:
    """Whatever woke somebody, there is no list to choose from."""
    pages = [
        message.page(Stopped()),
        alarm.unconfirmed(POLICED, "One replica is silent."),
        alarm.stuck(POLICED, "The policy file is gone."),
        alarm.deviation("delay", "g1 serves v9.", ("ml-on-call",), (("Runbook", "docs/x.md"),)),
        *(alarm.paused(POLICED, found(about)) for about in ("overdue", "lost")),
    ]
    assert [(page.kind, len(page.commands), len(page.links), len(page.to)) for page in pages] == [
        ("page", 2, 1, 1)
    ] * len(pages)
