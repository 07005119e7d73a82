"""The life of a release: its entries folded into its state, and the one move that follows.

A release stands at one step of its policy's plan. ``fold`` is pure and total: the same entries
always give the same state, so a run that starts again stands where the last one stopped.
``next_move`` answers what to do now; it reads the state, the sign-offs' standing and the time,
and fetches nothing.

An effect on the world is written twice: an intent before (``entering``, ``containing``,
``promoting``) and an outcome after (``entered``, ``contained``, ``promoted``). An intent without
an outcome is carried out again; every act is idempotent and confirmed by observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from policies.errors import IllegalMoveError
from policies.schema import ReleasePolicy
from policies.vocabulary import (
    ApprovalRequest,
    Artefact,
    Decision,
    Digest,
    Entry,
    Finding,
    Frozen,
    Outcome,
    Serving,
    SignOff,
    Stage,
    Step,
    TrafficPlan,
    TrafficVariant,
    Value,
    Verdict,
)

LIFECYCLE_VERSION = "2"


class Phase(StrEnum):
    """What the last move left the release in."""

    UNOPENED = "unopened"
    OPENED = "opened"
    ENTERING = "entering"
    STANDING = "standing"
    ASKING = "asking"
    CONTAINING = "containing"
    CONTAINED = "contained"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    CLOSED = "closed"


# Which move may follow which phase, and the phase it leaves behind.
TRANSITIONS: Mapping[Phase, Mapping[str, Phase]] = MappingProxyType(
    {
        Phase.UNOPENED: {"opened": Phase.OPENED},
        Phase.OPENED: {"entering": Phase.ENTERING, "containing": Phase.CONTAINING},
        Phase.ENTERING: {
            "entering": Phase.ENTERING,
            "entered": Phase.STANDING,
            "containing": Phase.CONTAINING,
        },
        Phase.STANDING: {
            "looked": Phase.STANDING,
            "asked": Phase.ASKING,
            "granted": Phase.STANDING,
            "entering": Phase.ENTERING,
            "containing": Phase.CONTAINING,
            "promoting": Phase.PROMOTING,
        },
        Phase.ASKING: {
            "asked": Phase.ASKING,
            "looked": Phase.ASKING,
            "granted": Phase.STANDING,
            "containing": Phase.CONTAINING,
        },
        Phase.CONTAINING: {"containing": Phase.CONTAINING, "contained": Phase.CONTAINED},
        Phase.CONTAINED: {"closed": Phase.CLOSED},
        Phase.PROMOTING: {
            "promoting": Phase.PROMOTING,
            "promoted": Phase.PROMOTED,
            "containing": Phase.CONTAINING,
        },
        Phase.PROMOTED: {"closed": Phase.CLOSED, "containing": Phase.CONTAINING},
        Phase.CLOSED: {},
    }
)

# Recorded before an effect: an attempt, not yet a change.
INTENTS = ("entering", "containing", "promoting")


class Containment(Value):
    """Why traffic goes back to the champion, and how the release will end."""

    reason: str
    finding: Finding | None
    outcome: Outcome
    tampered: bool = False  # the registered files are not those that were evaluated


class Closing(Value):
    outcome: Outcome
    stage: str
    finding: str | None
    reason: str
    exposed_requests: int
    seconds_to_zero_traffic: float | None
    first_answer_at: datetime | None = None  # that the candidate gave to a user
    first_fault_at: datetime | None = None  # when one of them first failed or came too late


class Release(Value):
    """The fold of a release's entries."""

    phase: Phase = Phase.UNOPENED
    release_id: str = ""
    model: str = ""
    version: str = ""
    requester: str = ""
    artefact: Artefact | None = None
    champion: TrafficVariant | None = None
    previous: TrafficVariant | None = None
    baseline: float | None = None
    policy_name: str = ""
    policy_digest: Digest | None = None
    policy_document: dict[str, Any] = {}
    versions: dict[str, str] = {}
    frozen: Frozen = Frozen()  # when it opened
    run_id: str | None = None
    opened_at: datetime | None = None
    step: Step | None = None
    plan: TrafficPlan | None = None
    observed: tuple[Serving, ...] = ()
    entered_at: datetime | None = None
    looks: int = 0
    verdict: Verdict | None = None
    evidence_digest: Digest | None = None
    next_look: datetime | None = None
    request: ApprovalRequest | None = None
    granted: tuple[str, ...] = ()
    votes: tuple[SignOff, ...] = ()
    stop: Containment | None = None  # a person or a kill asked for it: not yet carried out
    containment: Containment | None = None
    seconds_to_zero_traffic: float | None = None
    closing: Closing | None = None
    last_move: int = 0
    last_entry: int = 0

    @property
    def policy(self) -> ReleasePolicy:
        """The policy the release opened with: it rules to the end."""
        return ReleasePolicy.model_validate(self.policy_document)

    @property
    def is_live(self) -> bool:
        return self.phase not in (Phase.UNOPENED, Phase.CLOSED)


class Move(Value):
    """What a release does next."""

    kind: Literal[
        "enter", "look", "ask", "await_approval", "wait", "contain", "promote", "close", "done"
    ]
    because: str = ""
    step: Step | None = None
    until: datetime | None = None
    containment: Containment | None = None
    outcome: Outcome | None = None


def fold(entries: Sequence[Entry]) -> Release:
    """Fold one release's entries, in order of seq. A move out of order is refused."""
    state = Release()
    for entry in entries:
        state = _apply(state, entry)
    return state


def check_move(state: Release, kind: str) -> Phase:
    """The phase after a move of this kind; ``IllegalMoveError`` when it may not follow."""
    after = TRANSITIONS[state.phase].get(kind)
    if after is None:
        allowed = ", ".join(sorted(TRANSITIONS[state.phase])) or "nothing: it is closed"
        raise IllegalMoveError(
            f"Release {state.release_id or '(new)'} is {state.phase}: it cannot be {kind}.",
            advice=f"What may follow: {allowed}.",
        )
    return after


def _apply(state: Release, entry: Entry) -> Release:
    changes: dict[str, Any] = {"last_entry": entry.seq}
    if entry.move:
        changes |= {"phase": check_move(state, entry.kind), "last_move": entry.seq}
        return state.model_copy(update=changes | _MOVES[entry.kind](state, entry))
    handler = _FACTS.get(entry.kind, _nothing)
    return state.model_copy(update=changes | handler(state, entry))


def _opened(_: Release, entry: Entry) -> dict[str, Any]:
    data = entry.payload
    return {
        "release_id": entry.release_id,
        "model": data["model"],
        "version": data["version"],
        "requester": data["requester"],
        "artefact": Artefact.model_validate(data["artefact"]),
        "champion": _variant(data.get("champion")),
        "previous": _variant(data.get("previous")),
        "baseline": data.get("baseline"),
        "policy_name": data["policy"],
        "policy_digest": data["policy_digest"],
        "policy_document": data["policy_document"],
        "versions": data["versions"],
        "frozen": Frozen(
            thresholds=data.get("thresholds", {}), adjustments=data.get("adjustments", {})
        ),
        "run_id": data.get("run_id"),
        "opened_at": entry.at,
    }


def _variant(data: Any) -> TrafficVariant | None:
    return None if data is None else TrafficVariant.model_validate(data)


def _entering(_: Release, entry: Entry) -> dict[str, Any]:
    return {
        "step": Step.model_validate(entry.payload["step"]),
        "plan": TrafficPlan.model_validate(entry.payload["plan"]),
        "entered_at": None,
        "looks": 0,
        "verdict": None,
        "next_look": None,
    }


def _entered(state: Release, entry: Entry) -> dict[str, Any]:
    step = Step.model_validate(entry.payload["step"])
    rules = state.policy.rules_for(step)
    first = min(timedelta(days=rules.min_days), timedelta(hours=rules.look_every_hours))
    return {
        "step": step,
        "plan": TrafficPlan.model_validate(entry.payload["plan"]),
        "observed": tuple(Serving.model_validate(item) for item in entry.payload["observed"]),
        "entered_at": entry.at,
        "next_look": entry.at + first,
    }


def _looked(state: Release, entry: Entry) -> dict[str, Any]:
    due = entry.payload.get("next_look")
    verdict = Verdict.model_validate(entry.payload["verdict"])
    kept: dict[str, Any] = {}
    if verdict.decision is not Decision.PASS:
        # People signed for evidence that passed: what no longer passes voids what they signed,
        # but for the gate that has been gone through.
        here = state.step.stage.value if state.step else ""
        kept = {
            "request": None,
            "votes": (),
            "granted": tuple(g for g in state.granted if g == here),
        }
    return kept | {
        "looks": entry.payload["look"],
        "verdict": verdict,
        "evidence_digest": entry.payload["evidence_digest"],
        "next_look": None if due is None else datetime.fromisoformat(due),
    }


def _asked(_: Release, entry: Entry) -> dict[str, Any]:
    return {"request": ApprovalRequest.model_validate(entry.payload["request"]), "votes": ()}


def _granted(state: Release, entry: Entry) -> dict[str, Any]:
    return {"request": None, "granted": (*state.granted, entry.payload["gate"])}


def _containing(_: Release, entry: Entry) -> dict[str, Any]:
    return {"containment": Containment.model_validate(entry.payload), "request": None}


def _contained(_: Release, entry: Entry) -> dict[str, Any]:
    return {"seconds_to_zero_traffic": entry.payload["seconds_to_zero_traffic"]}


def _nothing(_: Release, __: Entry) -> dict[str, Any]:
    return {}


def _closed(_: Release, entry: Entry) -> dict[str, Any]:
    return {"closing": Closing.model_validate(entry.payload)}


def _vote(state: Release, entry: Entry) -> dict[str, Any]:
    vote = SignOff.model_validate(entry.payload["sign_off"])
    if state.request is None or vote.request_id != state.request.request_id:
        return {}
    return {"votes": (*state.votes, vote)}


def _stopped(outcome: Outcome, what: str) -> Any:
    def handler(state: Release, entry: Entry) -> dict[str, Any]:
        if not state.is_live:
            return {}
        reason = f"{what} by {entry.actor}: {entry.payload.get('reason', 'no reason given')}"
        return {"stop": Containment(reason=reason, finding=None, outcome=outcome)}

    return handler


def _tampered(state: Release, entry: Entry) -> dict[str, Any]:
    """Nobody may be served by it any more; whether users met it decides how it ends."""
    if not state.is_live or state.stop is not None:
        return {}
    served = state.plan is not None and state.plan.weight_bp > 0
    why = Containment(
        reason="The registered files are not those that were evaluated: the registry now holds "
        f"{entry.payload['found']}, not {entry.payload['expected']}.",
        finding=Finding.HARMFUL,
        outcome=Outcome.ROLLED_BACK if served else Outcome.REFUSED,
        tampered=True,
    )
    return {"stop": why}


def _breaker_opened(state: Release, entry: Entry) -> dict[str, Any]:
    """Serving has taken the candidate out: the release decides what it always does about harm."""
    if not state.is_live or state.stop is not None:
        return {}
    where, why = entry.payload["replica"], entry.payload["why"]
    reason = f"The circuit breaker of {where} has opened: {why}."
    return {
        "stop": Containment(reason=reason, finding=Finding.HARMFUL, outcome=Outcome.ROLLED_BACK)
    }


def _attached(_: Release, entry: Entry) -> dict[str, Any]:
    return {"run_id": entry.payload["run_id"]}


_MOVES: Mapping[str, Any] = MappingProxyType(
    {
        "opened": _opened,
        "entering": _entering,
        "entered": _entered,
        "looked": _looked,
        "asked": _asked,
        "granted": _granted,
        "containing": _containing,
        "contained": _contained,
        "promoting": _nothing,
        "promoted": _nothing,
        "closed": _closed,
    }
)
STOPS = ("kill", "rollback_asked", "abort_asked", "tampered", "breaker_opened")
_FACTS: Mapping[str, Any] = MappingProxyType(
    {
        "vote": _vote,
        "kill": _stopped(Outcome.ROLLED_BACK, "Killed"),
        "rollback_asked": _stopped(Outcome.ROLLED_BACK, "Rolled back"),
        "abort_asked": _stopped(Outcome.ABORTED, "Aborted"),
        "tampered": _tampered,
        "breaker_opened": _breaker_opened,
        "attached": _attached,
    }
)


def next_move(
    state: Release,
    policy: ReleasePolicy,
    now: datetime,
    standing: Literal["granted", "refused", "waiting", "expired"] | None = None,
) -> Move:
    """The one move that follows. ``standing`` is of the open approval request, if any.

    Contain is asked first, advance last.
    """
    if state.phase is Phase.CLOSED:
        return Move(kind="done", because="the release is closed")
    if (ending := _ending(state)) is not None:
        return ending
    if state.stop is not None:
        return Move(kind="contain", containment=state.stop, because=state.stop.reason)
    if state.phase is Phase.OPENED or state.phase is Phase.ENTERING:
        step = state.step or policy.steps()[0]
        return Move(kind="enter", step=step, because="the step's traffic is not yet observed")
    return _standing_move(state, policy, now, standing)


def _ending(state: Release) -> Move | None:
    if state.phase is Phase.CONTAINING and state.containment is not None:
        why = state.containment
        return Move(kind="contain", containment=why, because=why.reason)
    if state.phase is Phase.CONTAINED and state.containment is not None:
        why = state.containment
        return Move(kind="close", outcome=why.outcome, because=why.reason)
    if state.phase is Phase.PROMOTED and state.stop is None:
        return Move(kind="close", outcome=Outcome.RELEASED, because="every stage passed")
    if state.phase is Phase.PROMOTING and state.stop is None:
        return Move(kind="promote", because="the promotion is not yet observed")
    return None


def _standing_move(
    state: Release, policy: ReleasePolicy, now: datetime, standing: str | None
) -> Move:
    if state.step is None or state.entered_at is None or state.next_look is None:
        raise IllegalMoveError(
            f"Release {state.release_id} stands at no step.", advice="Verify the ledger."
        )
    verdict = state.verdict
    if verdict is not None and verdict.decision is Decision.ROLL_BACK:
        return _roll_back(state.step, verdict)
    if standing == "refused":
        why = Containment(reason="A sign-off refused it.", finding=None, outcome=Outcome.REFUSED)
        return Move(kind="contain", containment=why, because=why.reason)
    if now >= state.next_look:
        return Move(kind="look", step=state.step, because="a look is due")
    baked = now >= state.entered_at + timedelta(days=policy.rules_for(state.step).min_days)
    if verdict is not None and verdict.decision is Decision.PASS and baked:
        return _advance(state, policy, standing)
    return _hold(state, policy, now)


def _roll_back(step: Step, verdict: Verdict) -> Move:
    outcome = Outcome.REFUSED if step.stage is Stage.STAGING else Outcome.ROLLED_BACK
    why = Containment(reason=verdict.reason, finding=verdict.finding, outcome=outcome)
    return Move(kind="contain", containment=why, because=verdict.reason)


def _advance(state: Release, policy: ReleasePolicy, standing: str | None) -> Move:
    steps = policy.steps()
    place = next(i for i, step in enumerate(steps) if step == state.step)
    if place + 1 == len(steps):
        return Move(kind="promote", because="the last gate passed")
    ahead = steps[place + 1]
    if policy.approval_for(ahead.stage) is not None and ahead.stage.value not in state.granted:
        if state.request is None or standing == "expired":
            return Move(kind="ask", step=ahead, because=f"{ahead.name} needs sign-offs")
        return Move(kind="await_approval", step=ahead, because=f"{ahead.name} waits for sign-offs")
    return Move(kind="enter", step=ahead, because=f"{state.step.name if state.step else ''} passed")


def _hold(state: Release, policy: ReleasePolicy, now: datetime) -> Move:
    assert state.step and state.entered_at and state.next_look  # noqa: S101 - checked by the caller
    deadline = state.entered_at + timedelta(days=policy.rules_for(state.step).deadline_days)
    verdict = state.verdict
    because = verdict.reason if verdict else f"{state.step.name} has just begun"
    holds = verdict is not None and verdict.decision is Decision.HOLD
    if holds and now >= deadline and policy.at_deadline == "withdraw":
        why = Containment(
            reason=f"Not shown in time at {state.step.name}: {because}",
            finding=verdict.finding if verdict else None,
            outcome=Outcome.HELD,
        )
        return Move(kind="contain", containment=why, because=why.reason)
    return Move(kind="wait", until=state.next_look, because=because)


def stop_asked_at(entries: Sequence[Entry]) -> datetime | None:
    """When, on the wall clock, it was decided that the candidate leaves traffic.

    The last look that said so, or what a person or a kill asked for, whichever came first since
    the candidate entered its step.
    """
    asked: datetime | None = None
    for entry in entries:
        if entry.kind == "entered":
            asked = None
        decided = entry.payload.get("verdict", {}).get("decision") == Decision.ROLL_BACK.value
        if entry.kind in STOPS or (entry.kind == "looked" and decided):
            asked = asked or entry.recorded_at
    return asked


def next_look_after(policy: ReleasePolicy, state: Release, now: datetime) -> datetime:
    """When to look again: by the policy's interval, but not past the end of the bake time."""
    if state.step is None or state.entered_at is None:
        raise IllegalMoveError("No step to look at.", advice="Enter a step first.")
    rules = policy.rules_for(state.step)
    due = now + timedelta(hours=rules.look_every_hours)
    baked = state.entered_at + timedelta(days=rules.min_days)
    return min(due, baked) if now < baked else due
