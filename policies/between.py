"""A model between its releases: what a daily look found, and what of it is news.

There is no candidate to compare with: each question has a level of its own from the policy.
What could not be observed is told as that, and is never well.

| about          | found when                                                            |
|----------------|-----------------------------------------------------------------------|
| what serves    | a replica serves other files than the ledger says, or is killed       |
| traffic        | the switch gives a share to a candidate though no release is live     |
| a guardrail    | more of a day's answers fail (or are slow) than ``at_most``, by more  |
|                | than two standard deviations of chance                                |
| labels         | fewer of a day's answers have a label in time than ``min_maturity``   |
| data contract  | a day's requests break an expectation of the policy                   |
| drift          | inputs, or the model's own scores, have moved (``policies.drift``)    |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from policies.schema import Guardrail, Labels
from policies.vocabulary import Counts, Entry, Value

SERVES, TRAFFIC, LABELS, CONTRACT, POLICY = (
    "what serves", "traffic", "labels", "data contract", "policy",
)  # fmt: skip
CHANCE = 2.0  # standard deviations: at the level itself one day in fifty
LEAST_ROWS = 20  # fewer say nothing about a share


class Looked(Value):
    """The answer to one question of the daily look."""

    about: str
    status: Literal["well", "found", "suspected", "not observed"]  # suspected: an incident is
    why: str = ""
    figures: tuple[dict[str, Any], ...] = ()  # what it stands on, as it is recorded


def well(about: str) -> Looked:
    return Looked(about=about, status="well")


def found(about: str, why: str) -> Looked:
    return Looked(about=about, status="found", why=why)


def suspected(about: str, why: str) -> Looked:
    """Found, and grave enough for an incident though nothing proves one."""
    return Looked(about=about, status="suspected", why=why)


def unseen(about: str, why: str) -> Looked:
    return Looked(about=about, status="not observed", why=why)


def judge_level(rail: Guardrail, day: Counts) -> Looked | None:
    """``None`` for a guardrail without a level of its own."""
    if rail.at_most is None:
        return None
    if day.n < LEAST_ROWS:
        return unseen(rail.name, f"{day.n} answers in a day: too few to say.")
    expected = day.n * rail.at_most
    if day.events <= expected + CHANCE * math.sqrt(expected):
        return well(rail.name)
    share = f"{day.events} of {day.n} answers in a day, {day.events / day.n:.1%}"
    return found(rail.name, f"{share}; the policy's level is {rail.at_most:.1%}.")


def judge_labels(rules: Labels, rows: int, labelled: int) -> Looked:
    """Of the last day whose label horizon has passed."""
    if rows < LEAST_ROWS:
        return unseen(LABELS, f"{rows} answers of a day whose labels are due: too few to say.")
    if labelled >= rules.min_maturity * rows:
        return well(LABELS)
    return found(
        LABELS,
        f"{labelled} of {rows} answers of a day have a label after {rules.horizon_hours:g} hours; "
        f"the policy wants {rules.min_maturity:.0%}.",
    )


def news(looks: Sequence[Looked], entries: Sequence[Entry]) -> tuple[Looked, ...]:
    """What differs from what is on record of the model; ``entries`` are the model's.

    Told once: what was found yesterday, for the same reason or another, is no news today. What
    has become well again is.
    """
    last: dict[str, str] = {}
    for entry in entries:
        if entry.kind in ("alert", "alert_over") and entry.actor == ACTOR:
            last[str(entry.payload.get("about", SERVES))] = _status(entry)
    return tuple(look for look in looks if look.status != last.get(look.about, "well"))


ACTOR = "system:soak"


def _status(entry: Entry) -> str:
    return "well" if entry.kind == "alert_over" else str(entry.payload.get("status", "found"))
