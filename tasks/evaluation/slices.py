"""Does any declared group of rows lose, though the whole does not?

A group has a fraction of the rows, so its effect carries the noise of few days. Beyond its margin
it is refused only when that is shown (two standard errors between days); otherwise it holds, and
the next sample decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from policies.schema import Scores
from policies.vocabulary import Evidence
from tasks.evaluation.scores import (
    NO_VALUE,
    LabelledScore,
    Rows,
    error_by_day,
    is_shown,
    log_loss,
    scarce,
    worse_by,
)


class Slice(NamedTuple):
    value: str
    effect: float  # log loss, candidate minus champion
    error: float | None  # standard error between days
    rows: int

    def told(self) -> str:
        error = "" if self.error is None else f" ± {self.error:.4f}"
        return f"{self.value} {self.effect:+.4f}{error} (n {self.rows})"


def slice_checks(rules: Scores, rows: Rows, *, min_rows: int = 1) -> list[Evidence]:
    """One check a slice column: its effect is that of its worst value.

    A value with fewer rows than ``min_rows_per_slice`` is named in the detail and does not gate;
    a column of which no value has enough rows is scarce, as is everything below ``min_rows``.
    """
    return [_check(rules, column, rows, min_rows) for column in rules.slices]


def _check(rules: Scores, column: str, rows: Rows, min_rows: int) -> Evidence:
    name, limit, least = f"log loss by {column}", rules.slice_log_loss_margin, _least(rules)
    if len(rows) < max(1, min_rows):
        return scarce(name, limit, len(rows), f"{len(rows)} labelled rows of {min_rows} needed.")
    groups = _groups(column, rows)
    thin = sorted(value for value, group in groups.items() if len(group) < least)
    slices = [_slice(value, group) for value, group in groups.items() if value not in thin]
    if not slices:
        return scarce(name, limit, len(rows), _told_thin(thin, least))
    slices.sort(key=lambda each: (-each.effect, each.value))
    worst = slices[0]
    listed = ", ".join(each.told() for each in slices)
    unsure = [each.value for each in slices if each.effect > limit and not _is_shown(each, limit)]
    shown = [each for each in slices if _is_shown(each, limit)]
    told = f"Beyond the margin, but not shown to be: {', '.join(unsure)}. " if unsure else ""
    return Evidence(
        name=name,
        kind="check",
        status="scarce" if unsure and not shown else "ok",
        effect=(shown[0] if shown else worst).effect,
        limit=limit,
        n=len(rows),
        method="worst slice; candidate minus champion on the same labelled rows, errors by day",
        detail=f"{told}Worst first: {listed}. {_told_thin(thin, least)}".strip(),
    )


def _is_shown(found: Slice, limit: float) -> bool:
    return is_shown(found.effect, found.error, limit)


def _least(rules: Scores) -> int:
    return max(1, rules.min_rows_per_slice)


def _groups(column: str, rows: Rows) -> dict[str, list[LabelledScore]]:
    groups: dict[str, list[LabelledScore]] = {}
    for row in rows:
        groups.setdefault(row.slices.get(column, NO_VALUE), []).append(row)
    return groups


def _slice(value: str, rows: Rows) -> Slice:
    effect, error = worse_by(log_loss, rows), error_by_day(log_loss, rows)
    return Slice(value, effect, error, len(rows))


def _told_thin(thin: Sequence[str], least: int) -> str:
    """Name the first few: a column with many values must not flood the record."""
    if not thin:
        return ""
    more = f" and {len(thin) - 10} more" if len(thin) > 10 else ""
    return f"Not judged, fewer than {least} rows: {', '.join(thin[:10])}{more}."
