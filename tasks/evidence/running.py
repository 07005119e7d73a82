"""Day means of one guardrail, folded as they come: the next look costs its new windows only.

Beside the sums of all days stand those since each later step began (``onset``). New windows that
follow in time are added; anything else (late, repeated, of a day already seen) folds all windows
again, which gives the same numbers but for rounding. The windows stay: a record of a look is
recomputed from them alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import ne
from typing import TYPE_CHECKING, Any

from policies.schema import Guardrail
from policies.vocabulary import WindowPair
from tasks.evidence.day_sums import DaySums, fold_days
from tasks.evidence.unit_means import unit_differences
from tasks.evidence.windows import by_day, is_by_unit, tidy

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        ordered = tidy(guardrail, windows)
        spans = _spans({}, ordered)
        return Running(guardrail, ordered, spans, _fold_all(guardrail, ordered, _order(spans)))

    def further(self, new: Sequence[WindowPair]) -> Running:
        """With windows that were not there at the look before."""
        if not (self.added and self.folds):
            return Running.of(self.guardrail, (*self.windows, *new))
        added = tidy(self.guardrail, new)
        if not added:
            return self
        spans, order = _spans(self.spans, added), self.steps
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


def _spans(before: Mapping[str, Span], windows: Sequence[WindowPair]) -> dict[str, Span]:
    """``windows`` in order of time."""
    found, steps = dict(before), [window.step for window in windows]
    for step in set(steps):
        first = windows[steps.index(step)].start
        last = windows[-1 - steps[::-1].index(step)].start
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


def _fold_all(
    guardrail: Guardrail, windows: Sequence[WindowPair], order: Sequence[str]
) -> tuple[Fold, ...]:
    import numpy as np

    if not windows:
        return NOTHING
    table = np.array(_differences(guardrail, windows), dtype=float)
    starts = [window.start for window in windows]
    day = np.cumsum([False, *map(ne, starts, starts[1:])])
    if len(order) == 1:
        return (_fold(table, day),)
    places = {step: place for place, step in enumerate(order)}
    place = np.array([places[window.step] for window in windows])
    if (np.diff(place) >= 0).all():  # one step after the other: those since each are the last ones
        firsts = np.searchsorted(place, np.arange(len(order))).tolist()
        return tuple(_fold(table[first:], day[first:]) for first in firsts)
    return tuple(_fold(table[place >= since], day[place >= since]) for since in range(len(order)))


def _fold(table: NDArray[Any], day: NDArray[Any]) -> Fold:
    """Windows of one day become its mean first: a day is one cluster."""
    import numpy as np

    if not table[:, 0].all():
        table, day = table[table[:, 0] > 0], day[table[:, 0] > 0]
    if not len(table):
        return Fold()
    size, effect, rows = table.T
    if day[-1] - day[0] < len(day) - 1:  # a day has more than one
        begins = np.flatnonzero(np.diff(day, prepend=-1))
        first = effect[0]
        total = np.add.reduceat(size, begins)
        effect = first + np.add.reduceat(size * (effect - first), begins) / total
        size = total
    return Fold(fold_days(effect, size), int(rows.sum()))
