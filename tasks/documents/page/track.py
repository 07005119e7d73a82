"""The release's steps as a track: gone through, stood at, stopped at, still ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from policies.lifecycle import Phase, Release
from policies.vocabulary import Decision, Entry, Outcome, Step, Value
from tasks.documents.page.readings import Glance

Place = Literal["passed", "here", "stopped", "ahead", "not reached"]
ENDS = ("entered", "contained", "promoted", "closed")  # what ends a step


class Stop(Value):
    """One step of the plan and what became of it."""

    step: Step
    place: Place
    began: datetime | None = None
    ended: datetime | None = None
    looks: int = 0
    decision: Decision | None = None  # of the last look


def track(state: Release, entries: Sequence[Entry], looks: Sequence[Glance]) -> tuple[Stop, ...]:
    """Every step of the policy's plan, in order; of a step that was entered, its dates."""
    bounds = [entry for entry in entries if entry.kind in ENDS]
    times: dict[str, tuple[datetime, datetime | None]] = {}
    for number, entry in enumerate(bounds):
        if entry.kind == "entered":
            after = bounds[number + 1].at if number + 1 < len(bounds) else None
            times[entry.payload["step"]["name"]] = (entry.at, after)
    last = {look.step: look for look in looks}
    counted: dict[str, int] = {}
    for look in looks:
        counted[look.step] = counted.get(look.step, 0) + 1
    return tuple(_stop(state, step, times, last, counted) for step in state.policy.steps())


def _stop(
    state: Release,
    step: Step,
    times: Mapping[str, tuple[datetime, datetime | None]],
    last: Mapping[str, Glance],
    counted: Mapping[str, int],
) -> Stop:
    began, ended = times.get(step.name, (None, None))
    look = last.get(step.name)
    return Stop(
        step=step,
        place=_place(state, step, began),
        began=began,
        ended=ended,
        looks=counted.get(step.name, 0),
        decision=look.verdict.decision if look else None,
    )


def _place(state: Release, step: Step, began: datetime | None) -> Place:
    stands = state.step is not None and state.step.name == step.name
    if stands and state.closing is not None:
        return "passed" if state.closing.outcome is Outcome.RELEASED else "stopped"
    if stands and state.phase in (Phase.CONTAINING, Phase.CONTAINED):
        return "stopped"
    if stands:
        return "here"
    if began is not None:
        return "passed"
    return "ahead" if state.is_live and state.containment is None else "not reached"
