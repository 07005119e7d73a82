"""How much the candidate was exposed: its share over time, and the requests it answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from policies.lifecycle import Phase, Release
from policies.vocabulary import Entry, Outcome, Value
from tasks.documents.page.readings import Glance
from tasks.documents.page.thinning import thin

PUBLISHED = ("entered", "contained", "promoted")  # observed, not merely intended


class Moment(Value):
    """A number from a moment on."""

    at: datetime
    value: int


class Stretch(Value):
    """A step as it was stood at: what lies behind the charts."""

    name: str
    start: datetime
    end: datetime


def shares(entries: Sequence[Entry]) -> tuple[Moment, ...]:
    """The candidate's weight in basis points whenever it was observed to change."""
    found: list[Moment] = []
    for entry in entries:
        if entry.kind == "entered":
            found.append(Moment(at=entry.at, value=entry.payload["plan"]["weight_bp"]))
        elif entry.kind == "contained":
            found.append(Moment(at=entry.at, value=0))
    return tuple(each for n, each in enumerate(found) if n == 0 or each.value != found[n - 1].value)


def counts(looks: Sequence[Glance], entries: Sequence[Entry]) -> tuple[Moment, ...]:
    """Requests answered so far, as looks counted them and as the closing told."""
    live = (e for e in entries if e.kind == "entered" and e.payload["plan"]["weight_bp"])
    found = [Moment(at=entry.at, value=0) for entry in islice(live, 1)]  # none before that step
    found += [
        Moment(at=look.at, value=look.answered) for look in looks if look.answered is not None
    ]
    for entry in entries:
        if entry.kind == "closed" and found:
            found.append(Moment(at=entry.at, value=entry.payload["exposed_requests"]))
    return thin(found, kind=lambda each: None)


def stretches(entries: Sequence[Entry]) -> tuple[Stretch, ...]:
    """Every step that was entered, up to the next, to its end or to the last entry."""
    bounds = [entry for entry in entries if entry.kind in PUBLISHED]
    ends = [entry.at for entry in (*bounds, entries[-1])][1:] if bounds else []
    return tuple(
        Stretch(name=entry.payload["step"]["name"], start=entry.at, end=max(entry.at, end))
        for entry, end in zip(bounds, ends, strict=True)
        if entry.kind == "entered"
    )


def weight_now(state: Release) -> int:
    """The candidate's share of live traffic at the last entry; all of it once it is champion."""
    if state.closing is not None:
        return 10_000 if state.closing.outcome is Outcome.RELEASED else 0
    if state.phase is Phase.CONTAINED or state.plan is None:
        return 0
    return state.plan.weight_bp
