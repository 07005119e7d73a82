"""Checks of one look: what was measured, the limit, and a sentence; slices on rows of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from policies.vocabulary import Evidence, Finding, Judged, Value
from tasks.documents.page import words
from tasks.documents.page.readings import Glance

SLICE = re.compile(r"(?:^|, )(.+?) ([+-]\d+(?:\.\d+)?)(?: ± (\d+(?:\.\d+)?))? \(n (\d+)\)")
WORST = "Worst first: "  # what a check by slice lists its slices after


class Check(Value):
    name: str
    measured: str
    limit: str
    finding: Finding | None
    sentence: str


class Slice(Value):
    """One group of a check by group."""

    check: str
    name: str
    effect: float
    error: float | None  # standard error, where days were enough to know it
    rows: int


def checks(look: Glance | None) -> tuple[Check, ...]:
    """Those that did not hold come first, worst first; the others in the order they were made."""
    if look is None:
        return ()
    judged = {item.name: item for item in look.verdict.judged}
    found = [_check(item, judged.get(item.name)) for item in look.evidence if item.kind == "check"]
    return tuple(sorted(found, key=lambda check: _RANK.get(check.finding, 0)))


_RANK: Mapping[Finding | None, int] = {
    Finding.HARMFUL: 0,
    Finding.INVALID: 1,
    Finding.SOURCE_DOWN: 2,
    Finding.NOT_ENOUGH_EVIDENCE: 3,
    Finding.SAFE: 4,
}


def _check(item: Evidence, judged: Judged | None) -> Check:
    measured = f"{words.figure(item.effect)} {item.unit}".strip()
    return Check(
        name=item.name,
        measured=measured if item.effect is not None else "not measured",
        limit=words.figure(item.limit),
        finding=judged.finding if judged else None,
        sentence=item.detail or (item.method and f"Method: {item.method}."),
    )


def slices(look: Glance | None) -> tuple[Slice, ...]:
    """Read from the details of checks by slice; a detail told otherwise stays a sentence."""
    if look is None:
        return ()
    return tuple(
        Slice(
            check=item.name,
            name=name,
            effect=float(effect),
            error=float(error) if error else None,
            rows=int(rows),
        )
        for item in look.evidence
        if WORST in item.detail
        for name, effect, error, rows in SLICE.findall(item.detail.split(WORST, 1)[1])
    )
