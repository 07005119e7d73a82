"""Does the candidate move a declared group away from everybody else, on the labelled sample?

The same gap as on traffic (`tasks/evidence/gap.py`), from rows instead of days. A sample is a few
days and a group a part of them, so a gap beyond its margin is refused only when that is shown (two
standard errors between days); otherwise it holds, and the next sample decides. A group with fewer
rows than a slice needs is told and not waited for: the shadow has to show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from policies.schema import Gap, Guardrail, Scores
from policies.vocabulary import Evidence
from tasks.evaluation.scores import (
    FEWEST_DAYS,
    LabelledScore,
    Measure,
    Rows,
    brier,
    is_shown,
    log_loss,
    scarce,
    worse_by,
)

_MEASURES: dict[str, Measure] = {"log_loss": log_loss, "brier": brier}


def gap_columns(rails: Sequence[Guardrail]) -> list[str]:
    return [rail.gap.column for rail in rails if rail.gap is not None]


def gap_checks(
    rules: Scores, rails: Sequence[Guardrail], rows: Rows, *, min_rows: int = 1
) -> list[Evidence]:
    """One check a group whose gap the policy declares."""
    least = (min_rows, rules.min_rows_per_slice)
    return [
        _check(rail, rail.gap, value, rows, *least)
        for rail in rails
        if rail.gap is not None
        for value in rail.gap.values
    ]


def _check(
    rail: Guardrail, gap: Gap, value: str, rows: Rows, min_rows: int, min_group: int
) -> Evidence:
    name, measure = f"{rail.name} gap of {gap.column} {value}", _MEASURES[rail.metric]
    group = [row for row in rows if row.slices.get(gap.column) == value]
    others = [row for row in rows if row.slices.get(gap.column) != value]
    if len(rows) < max(1, min_rows):
        detail = f"{len(rows)} labelled rows of {min_rows} needed."
        return scarce(name, gap.margin, len(rows), detail)
    if len(group) < max(1, min_group) or not others:
        detail = f"{len(group)} rows of the group, {len(others)} others; {min_group} needed."
        few = scarce(name, gap.margin, len(group), f"{detail} The shadow has to show it.")
        return few.model_copy(update={"required": False})
    effect, error = gap_by(measure, group, others), gap_error(measure, group, others)
    unsure = effect > gap.margin and not is_shown(effect, error, gap.margin)
    return Evidence(
        name=name,
        kind="check",
        status="scarce" if unsure else "ok",
        effect=effect,
        limit=gap.margin,
        n=len(group),
        required=value not in gap.reported,
        method=f"{rail.metric}, candidate minus champion in the group, minus that in all others",
        detail=_told(measure, group, others, error, unsure=unsure),
    )


def _told(measure: Measure, group: Rows, others: Rows, error: float | None, *, unsure: bool) -> str:
    beyond = "Beyond the margin, but not shown to be. " if unsure else ""
    between = "" if error is None else f" Error between days {error:.4f}."
    return (
        f"{beyond}Group {worse_by(measure, group):+.4f} (n {len(group)}), all others "
        f"{worse_by(measure, others):+.4f} (n {len(others)}).{between}"
    )


def gap_by(measure: Measure, group: Rows, others: Rows) -> float:
    return worse_by(measure, group) - worse_by(measure, others)


def gap_error(measure: Measure, group: Rows, others: Rows) -> float | None:
    """Standard error of the gap over rows whose days differ, a day the cluster of both sides
    (Liang and Zeger 1986); ``None`` for fewer than three days."""
    off: dict[str, float] = {}
    for rows, sign in ((group, 1.0), (others, -1.0)):
        mean = worse_by(measure, rows)
        for day, own in _by_day(rows).items():
            part = sign * len(own) * (worse_by(measure, own) - mean) / len(rows)
            off[day] = off.get(day, 0.0) + part
    if len(off) < FEWEST_DAYS:
        return None
    small = len(off) / (len(off) - 1)
    return math.sqrt(small * math.fsum(gap * gap for gap in off.values()))


def _by_day(rows: Rows) -> dict[str, list[LabelledScore]]:
    days: dict[str, list[LabelledScore]] = {}
    for row in rows:
        days.setdefault(row.day, []).append(row)
    return days
