"""The life of a release: folding, the one move that follows, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import IllegalMoveError
from policies.lifecycle import TRANSITIONS, Phase, Release, check_move, fold, next_move
from policies.loader import find
from policies.vocabulary import Decision, Entry, Finding, Outcome, Step, TrafficPlan, Verdict

LOADED = find("medium")
POLICY = LOADED.policy
STEPS = POLICY.steps()
START = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


class Story:
    """Entries of one release, written one after the other."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.at = START

    def tell(self, kind: str, payload: dict[str, Any] | None = None, *, move: bool = True) -> Story:
        self.entries.append(
            Entry(
                seq=len(self.entries) + 1,
                kind=kind,
                move=move,
                release_id="rel-1",
                model="m",
                actor="ada",
                at=self.at,
                payload=payload or {},
            )
        )
        return self

    def opened(self) -> Story:
        artefact = {
            "ref": {"model": "m", "version": "2"},
            "digest": DIGEST,
            "inputs": {"x": "double"},
        }
        return self.tell(
            "opened",
            {
                "model": "m",
                "version": "2",
                "requester": "erin",
                "artefact": artefact,
                "champion": {"ref": {"model": "m", "version": "1"}, "digest": "sha256:" + "b" * 64},
                "previous": None,
                "policy": POLICY.policy,
                "policy_digest": LOADED.digest,
                "policy_document": POLICY.model_dump(mode="json"),
                "versions": {},
                "run_id": "run-1",
            },
        )

    def entered(self, step: Step) -> Story:
        plan = TrafficPlan(model="m", champion=None, baseline=0.5).plain()
        self.tell("entering", {"step": step.plain(), "plan": plan})
        return self.tell("entered", {"step": step.plain(), "plan": plan, "observed": []})

    def looked(self, decision: Decision, finding: Finding = Finding.SAFE) -> Story:
        verdict = Verdict(decision=decision, finding=finding, reason="because")
        due = self.at + timedelta(days=1)
        return self.tell(
            "looked",
            {
                "step": "x",
                "stage": "staging",
                "look": 1,
                "evidence": [],
                "evidence_digest": DIGEST,
                "verdict": verdict.plain(),
                "next_look": due.isoformat(),
            },
        )

    def later(self, **duration: float) -> Story:
        self.at += timedelta(**duration)
        return self

    def state(self) -> Release:
        return fold(self.entries)

    def move(self, standing: Any = None) -> Any:
        return next_move(self.state(), POLICY, self.at, standing)


def test_nothing_folds_to_nothing() -> None:
    """No entries: no release, and nothing but opening may follow."""
    state = fold([])
    assert state.phase is Phase.UNOPENED and not state.is_live
    assert set(TRANSITIONS[state.phase]) == {"opened"}


def test_a_release_enters_staging_first() -> None:
    assert Story().opened().move().step == STEPS[0]


def test_an_intent_without_outcome_is_carried_out_again() -> None:
    """Killed between the intent and the observation: the same step is entered again."""
    story = Story().opened()
    plan = TrafficPlan(model="m", champion=None, baseline=0.5).plain()
    story.tell("entering", {"step": STEPS[1].plain(), "plan": plan})
    assert (story.move().kind, story.move().step) == ("enter", STEPS[1])


def test_it_waits_until_a_look_is_due_and_then_looks() -> None:
    story = Story().opened().entered(STEPS[1])
    assert story.move().kind == "wait"
    story.at = story.state().next_look or START
    assert story.move().kind == "look"


def test_harm_is_contained_before_any_bake_time() -> None:
    """Roll back is asked first: neither minimum days nor the next look delay it."""
    story = Story().opened().entered(STEPS[2]).looked(Decision.ROLL_BACK, Finding.HARMFUL)
    move = story.move()
    assert (move.kind, move.containment.outcome) == ("contain", Outcome.ROLLED_BACK)


def test_harm_in_staging_is_a_refusal() -> None:
    story = Story().opened().entered(STEPS[0]).looked(Decision.ROLL_BACK, Finding.HARMFUL)
    assert story.move().containment.outcome is Outcome.REFUSED


def test_a_pass_before_the_bake_time_waits() -> None:
    story = Story().opened().entered(STEPS[1]).looked(Decision.PASS)
    assert story.move().kind == "wait"


def _baked(step: Step) -> Story:
    story = Story().opened().entered(step)
    story.later(days=POLICY.rules_for(step).min_days + 1)
    return story.looked(Decision.PASS)


def test_a_gate_with_sign_offs_is_asked_for() -> None:
    assert _baked(STEPS[1]).move().kind == "ask"


def test_a_granted_gate_opens() -> None:
    story = _baked(STEPS[1])
    now = story.at
    request = {
        "request_id": "req-1",
        "nonce": "n",
        "release_id": "rel-1",
        "gate": "canary",
        "model": "m",
        "version": "2",
        "artefact_digest": DIGEST,
        "evidence_digest": DIGEST,
        "policy_digest": DIGEST,
        "requester": "erin",
        "roles": {"reviewer": 1},
        "asked_at": now.isoformat(),
        "expires_at": (now + timedelta(days=3)).isoformat(),
    }
    story.tell("asked", {"request": request})
    assert story.move("waiting").kind == "await_approval"
    assert story.move("refused").containment.outcome is Outcome.REFUSED
    assert story.move("expired").kind == "ask"
    story.tell("granted", {"request_id": "req-1", "gate": "canary", "sign_offs": []})
    assert (story.move().kind, story.move().step) == ("enter", STEPS[2])


def _asked_and_granted() -> Story:
    story = _baked(STEPS[1])
    request = {
        "request_id": "req-1",
        "nonce": "n",
        "release_id": "rel-1",
        "gate": "canary",
        "model": "m",
        "version": "2",
        "artefact_digest": DIGEST,
        "evidence_digest": DIGEST,
        "policy_digest": DIGEST,
        "requester": "erin",
        "roles": {"reviewer": 1},
        "asked_at": story.at.isoformat(),
        "expires_at": (story.at + timedelta(days=3)).isoformat(),
    }
    return story.tell("asked", {"request": request})


def test_evidence_that_no_longer_passes_voids_what_people_signed() -> None:
    """They signed for evidence that passed: the request and the grant fall with it."""
    asked = _asked_and_granted().looked(Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)
    assert asked.state().request is None
    granted = _asked_and_granted().tell("granted", {"gate": "canary"})
    assert granted.looked(Decision.PASS).state().granted == ("canary",)
    voided = granted.looked(Decision.HOLD, Finding.INVALID).looked(Decision.PASS)
    assert voided.state().granted == ()
    assert voided.move().kind == "ask"


def test_a_stop_outranks_a_promotion_that_is_not_closed() -> None:
    story = _baked(STEPS[-1]).tell("promoting", {}).tell("promoted", {})
    assert story.move().kind == "close"
    story.tell("rollback_asked", {"reason": "smoke"}, move=False)
    assert story.move().containment.outcome is Outcome.ROLLED_BACK


def test_the_last_gate_promotes() -> None:
    assert _baked(STEPS[-1]).move().kind == "promote"


def test_a_hold_past_its_deadline_does_what_the_policy_says() -> None:
    """Never a promotion: withdraw, or hold for a person."""
    story = Story().opened().entered(STEPS[1])
    story.later(days=POLICY.rules_for(STEPS[1]).deadline_days + 1)
    story.looked(Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)
    withdraw = POLICY.model_copy(update={"at_deadline": "withdraw"})
    move = next_move(story.state(), withdraw, story.at)
    assert move.containment is not None and move.containment.outcome is Outcome.HELD
    hold = POLICY.model_copy(update={"at_deadline": "hold"})
    assert next_move(story.state(), hold, story.at).kind == "wait"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("kill", Outcome.ROLLED_BACK),
        ("rollback_asked", Outcome.ROLLED_BACK),
        ("abort_asked", Outcome.ABORTED),
    ],
)
@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_a_person_can_stop_it_at_any_step(kind: str, outcome: Outcome, step: Step) -> None:
    story = Story().opened().entered(step).looked(Decision.PASS)
    story.tell(kind, {"reason": "smoke"}, move=False)
    assert story.move().containment.outcome is outcome


@pytest.mark.parametrize("step", STEPS[2:], ids=[step.name for step in STEPS[2:]])
def test_an_open_breaker_rolls_the_release_back(step: Step) -> None:
    """The candidate is out already; the record says why, and nothing more goes to it."""
    story = Story().opened().entered(step).looked(Decision.PASS)
    story.tell("breaker_opened", {"replica": "gateway-1", "why": "9 of 9 failed"}, move=False)
    found = story.move().containment
    assert (found.outcome, found.finding) == (Outcome.ROLLED_BACK, Finding.HARMFUL)
    assert "gateway-1" in found.reason and "9 of 9 failed" in found.reason
    story.tell("breaker_opened", {"replica": "gateway-2", "why": "8 of 8 failed"}, move=False)
    assert story.move().containment == found


def test_a_closed_release_is_done() -> None:
    story = Story().opened().entered(STEPS[0])
    story.tell("containing", {"reason": "r", "finding": None, "outcome": "held"})
    story.tell("contained", {"seconds_to_zero_traffic": None})
    assert (story.move().kind, story.move().outcome) == ("close", Outcome.HELD)
    closing = {
        "outcome": "held",
        "stage": "staging",
        "finding": None,
        "reason": "r",
        "exposed_requests": 0,
        "seconds_to_zero_traffic": None,
    }
    story.tell("closed", closing)
    assert story.move().kind == "done" and not story.state().is_live


KINDS = sorted({kind for moves in TRANSITIONS.values() for kind in moves})


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("kind", KINDS)
def test_the_table_decides_every_move(phase: Phase, kind: str) -> None:
    """A move outside the table is refused with what may follow, and changes nothing."""
    state = Release(phase=phase, release_id="rel-1")
    if kind in TRANSITIONS[phase]:
        assert check_move(state, kind) is TRANSITIONS[phase][kind]
        return
    with pytest.raises(IllegalMoveError, match="What may follow"):
        check_move(state, kind)
    assert state == Release(phase=phase, release_id="rel-1")


@given(st.integers(0, 5))
def test_the_fold_is_deterministic_and_facts_move_nothing(extra: int) -> None:
    """The same entries give the same state; unknown facts leave the phase alone."""
    story = _baked(STEPS[1])
    for _ in range(extra):
        story.tell("notified", {"title": "t"}, move=False)
    assert fold(story.entries) == story.state()
    assert story.state().phase is Phase.STANDING
    assert story.state().last_move == _baked(STEPS[1]).state().last_move
