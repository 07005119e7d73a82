"""Day means of one guardrail, folded as they come: the next look costs its new windows only.

Beside the sums of all days stand those since each later step began (``onset``). New windows that
follow in time are added; anything else (late, repeated, of a day already seen) folds all windows
again, which gives the same numbers but for rounding. The windows stay: a record of a look is
recomputed from them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from policies.schema import Guardrail
from policies.vocabulary import WindowPair
from tasks.evidence.day_sums import DaySums, fold_rows
from tasks.evidence.unit_means import unit_differences
from tasks.evidence.windows import by_day, is_by_unit, tidied, tidy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # weight, effect, rows

Run = tuple[str, list[WindowPair]]
Span = tuple[datetime, datetime]  # first and last start of a step's windows


def is_day_mean(guardrail: Guardrail) -> bool:
    """Weighed by ``day_mixture`` and nothing else."""
    return guardrail.unit == "day" and guardrail.kind in METHODS and guardrail.gap is None


METHODS = {
    "paired_mean": "paired day means",
    "mean": "unit means by day and step",
    "randomised_mean": "unit means by day and step",
}
NO_DAYS = DaySums()


@dataclass(frozen=True)
class Fold:
    """Days, and the candidate's rows or units in them."""

    sums: DaySums = NO_DAYS
    rows: int = 0


NOTHING = (Fold(),)


@dataclass(frozen=True)
class Running:
    """``folds``: of all days, then since each later step.

    Without folds the windows are as they came, and are weighed again at every look. With them
    they are checked and in order; those of earlier looks are reached through ``earlier``, so that
    a look does not even copy them.
    """

    guardrail: Guardrail
    added: tuple[WindowPair, ...] = ()
    spans: Mapping[str, Span] = field(default_factory=dict)
    folds: tuple[Fold, ...] = NOTHING
    earlier: Running | None = None

    @staticmethod
    def of(guardrail: Guardrail, windows: Sequence[WindowPair]) -> Running:
        """All windows at once. ``EvidenceError`` for windows that cannot be."""
        ordered, paired = tidied(guardrail, windows)
        runs = _runs(ordered)
        spans = _spans({}, runs)
        columns = (*paired, paired[0]) if paired else _columns(guardrail, ordered)
        return Running(guardrail, ordered, spans, _fold_all(columns, runs, _order(spans)))

    def further(self, new: Sequence[WindowPair]) -> Running:
        """With windows that were not there at the look before."""
        if not (self.added and self.folds):
            return Running.of(self.guardrail, (*self.windows, *new))
        added = tidy(self.guardrail, new)
        if not added:
            return self
        spans, order = _spans(self.spans, _runs(added)), self.steps
        follows = added[0].start > self.added[-1].start
        if not follows or _order(spans)[: len(order)] != order:
            return Running.of(self.guardrail, (*self.windows, *new))
        tidy(self.guardrail, (self.added[-1], added[0]))  # no two on one day
        folds = list(self.folds)
        folds += [Fold() for _ in range(len(spans) - len(order))]
        places = {step: place for place, step in enumerate(_order(spans))}
        for day in by_day(added):
            for since, fold in enumerate(folds):
                part = [each for each in day if places[each.step] >= since]
                folds[since] = _with_day(fold, _differences(self.guardrail, part))
        return Running(self.guardrail, added, spans, tuple(folds), self)

    def unfolded(self, new: Sequence[WindowPair]) -> Running:
        return Running(self.guardrail, (*self.windows, *new), folds=())

    @property
    def windows(self) -> tuple[WindowPair, ...]:
        """All of them, for the record."""
        if self.earlier is None:
            return self.added
        parts: list[tuple[WindowPair, ...]] = []
        at: Running | None = self
        while at is not None:
            parts.append(at.added)
            at = at.earlier
        return tuple(window for part in reversed(parts) for window in part)

    @property
    def steps(self) -> list[str]:
        return _order(self.spans)


def _runs(windows: Sequence[WindowPair]) -> list[Run]:
    """Neighbours of one step."""
    return [(step, list(run)) for step, run in groupby(windows, key=attrgetter("step"))]


def _spans(before: Mapping[str, Span], runs: Iterable[Run]) -> dict[str, Span]:
    """``runs`` in order of time."""
    found = dict(before)
    for step, run in runs:
        first, last = run[0].start, run[-1].start
        old = found.get(step, (first, last))
        found[step] = (min(old[0], first), max(old[1], last))
    return found


def _order(spans: Mapping[str, Span]) -> list[str]:
    """As they began; of two that began on one day, the one that ended earlier comes first."""
    return sorted(spans, key=lambda step: (*spans[step], step))


def _differences(
    guardrail: Guardrail, windows: Sequence[WindowPair]
) -> list[tuple[float, float, int]]:
    """Weight, effect and rows of each window."""
    if is_by_unit(guardrail):
        return unit_differences(guardrail, windows)
    return [(m.n, m.mean, m.n) for w in windows if (m := w.paired) is not None]


def _with_day(fold: Fold, parts: Sequence[tuple[float, float, int]]) -> Fold:
    size = sum(part[0] for part in parts)
    if not size:
        return fold
    first = parts[0][1]
    mean = first + sum(weight * (effect - first) for weight, effect, _ in parts) / size
    return Fold(fold.sums.with_day(mean, size), fold.rows + sum(part[2] for part in parts))


def _fold_all(columns: Columns, runs: Sequence[Run], order: Sequence[str]) -> tuple[Fold, ...]:
    """A row for each step, which sums what came since; windows of one day are one cluster."""
    import numpy as np

    if not runs:
        return NOTHING
    size, effect, rows = columns
    places = [order.index(step) for step, _ in runs]
    since = np.repeat(places, [len(run) for _, run in runs]) >= np.arange(len(order))[:, None]
    counted, sizes = (since @ rows).tolist(), since * size
    if shared := _shared_days(runs):
        begins = np.delete(np.arange(len(size)), shared)
        first, total = effect[0], np.add.reduceat(sizes, begins, axis=1)
        moved = np.add.reduceat(sizes * (effect - first), begins, axis=1)
        effect, sizes = first + moved / np.where(total > 0.0, total, 1.0), total
    folded = zip(fold_rows(effect, sizes), counted, strict=True)
    return tuple(Fold(sums, int(n)) for sums, n in folded)


def _shared_days(runs: Sequence[Run]) -> list[int]:
    """Windows of the same day as the one before: of another step, for those of one were added."""
    ends = accumulate(len(run) for _, run in runs)
    neighbours = pairwise(run for _, run in runs)
    return [
        end
        for end, (one, other) in zip(ends, neighbours, strict=False)
        if one[-1].start == other[0].start
    ]


def _columns(guardrail: Guardrail, windows: Sequence[WindowPair]) -> Columns:
    """Weight, effect and rows of each window."""
    import numpy as np

    n, effect, rows = np.array(_differences(guardrail, windows), dtype=float).reshape(-1, 3).T
    return n, effect, rows
