"""What each guardrail showed at each look, as a series that can be drawn.

Evidence is taken as it comes: whatever was weighed has a series under its own name. One that is
named after another (``quality · origin LGA`` after ``quality``) is a part of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from policies.schema import ReleasePolicy
from policies.vocabulary import Entry, Evidence, Finding, Judged, Stage, Value, Verdict
from tasks.documents.page.thinning import thin

GAP = (
    "Candidate minus champion in this group, minus the same in all other rows: above zero the "
    "candidate leaves the group further behind."
)
OF = " · "  # between a guardrail's name and the group of rows that is looked at


class Glance(Value):
    """One look without the windows its numbers were computed from."""

    seq: int
    at: datetime
    step: str
    stage: str
    number: int
    evidence: tuple[Evidence, ...]
    verdict: Verdict
    answered: int | None  # live requests that the candidate had answered by then, where counted


class Reading(Value):
    """One guardrail at one look."""

    at: datetime
    step: str
    number: int
    seq: int
    finding: Finding | None
    evidence: Evidence


class Series(Value):
    """One guardrail over all looks that weighed it; ``readings`` may be fewer than ``looks``."""

    name: str
    part_of: str | None
    why: str  # from the policy; of a gap, what it is; empty for any other part
    readings: tuple[Reading, ...]
    looks: int
    harm_needed: float | None  # log e-value at which this guardrail alone rolls back
    safe_needed: float  # log e-value at which the margin is proven
    reason: str  # the last look's sentence

    @property
    def last(self) -> Reading:
        return self.readings[-1]


def glances(entries: Sequence[Entry]) -> tuple[Glance, ...]:
    """Every look, in order. A release may have thousands: their windows are only counted."""
    return tuple(_glance(entry) for entry in entries if entry.kind == "looked")


def _glance(entry: Entry) -> Glance:
    data = entry.payload
    items: list[dict[str, Any]] = data["evidence"]
    return Glance(
        seq=entry.seq,
        at=entry.at,
        step=data["step"],
        stage=data["stage"],
        number=data["look"],
        evidence=tuple(Evidence.model_validate({**item, "windows": ()}) for item in items),
        verdict=Verdict.model_validate(data["verdict"]),
        answered=_answered(items),
    )


def _answered(items: Sequence[Mapping[str, Any]]) -> int | None:
    """Of the guardrails that count live answers the one that counted most; parts count fewer."""
    counted = [
        [window for window in item.get("windows", ()) if _is_live(window)]
        for item in items
        if item["kind"] == "sequential"
    ]
    counts = [sum(window["candidate"]["n"] for window in windows) for windows in counted if windows]
    return max(counts, default=None)


def _is_live(window: Mapping[str, Any]) -> bool:
    return bool(window.get("candidate")) and window["step"] != Stage.SHADOW.value


def series_of(looks: Sequence[Glance], policy: ReleasePolicy) -> tuple[Series, ...]:
    """One a name, in the order in which they first appear; parts follow what they are part of."""
    found: dict[str, list[Reading]] = {}
    for look in looks:
        judged = {item.name: item for item in look.verdict.judged}
        for item in look.evidence:
            if item.kind == "sequential":
                found.setdefault(item.name, []).append(_reading(look, item, judged.get(item.name)))
    reasons = {item.name: item.reason for look in looks for item in look.verdict.judged}
    made = [_series(name, all_, policy, found, reasons) for name, all_ in found.items()]
    order = [one.name for one in made]
    return tuple(
        sorted(made, key=lambda one: (order.index(one.part_of or one.name), bool(one.part_of)))
    )


def _reading(look: Glance, item: Evidence, judged: Judged | None) -> Reading:
    return Reading(
        at=look.at,
        step=look.step,
        number=look.number,
        seq=look.seq,
        finding=judged.finding if judged else None,
        evidence=item,
    )


def _series(
    name: str,
    readings: Sequence[Reading],
    policy: ReleasePolicy,
    names: Mapping[str, object],
    reasons: Mapping[str, str],
) -> Series:
    parent = name.split(OF, 1)[0]
    weight = readings[-1].evidence.weight
    alone = -math.log(policy.budget.rollback_alpha) - math.log(weight) if weight > 0 else None
    return Series(
        name=name,
        part_of=parent if parent != name and parent in names else None,
        why=_why(name, policy),
        readings=thin(
            readings,
            kind=lambda each: (each.finding, each.step),
            sizes=(
                lambda each: each.evidence.effect,
                lambda each: each.evidence.lower,
                lambda each: each.evidence.upper,
                lambda each: each.evidence.log_e_harm,
                lambda each: each.evidence.log_e_safe,
            ),
        ),
        looks=len(readings),
        harm_needed=alone,
        safe_needed=-math.log(policy.budget.promote_beta),
        reason=reasons.get(name, ""),
    )


def _why(name: str, policy: ReleasePolicy) -> str:
    for rail in policy.guardrails:
        if rail.name == name:
            return rail.why
        for value, part in rail.by_gap().items():
            if part.name == name and rail.gap is not None:
                waits = " PASS does not wait for it." if value in rail.gap.reported else ""
                return f"{GAP}{waits}"
    return ""


def staging_glance(looks: Sequence[Glance]) -> Glance | None:
    """The last look before any traffic."""
    return next((look for look in reversed(looks) if look.stage == Stage.STAGING), None)


def live_glance(looks: Sequence[Glance]) -> Glance | None:
    """The last look at mirrored or live traffic."""
    return next((look for look in reversed(looks) if look.stage != Stage.STAGING), None)
