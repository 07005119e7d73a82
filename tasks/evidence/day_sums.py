"""Day means folded one after the other: the next look costs its new days only.

A fold keeps what the days' weighted variance and their likeness to their neighbours need, about
the first day's mean, so that nothing large is subtracted from something large. All days at once
(``fold_days``) or one by one (``with_day``): the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Means of three neighbouring days vary 1.5 to 2 times as much as independent days would
# (flight delays, nine months): see tests/statistical for what this buys and costs.
LEAST_THINNING = 1.5
LEAST = 1e-300  # keeps divisions finite
FLAT = 1e-9  # of the mean: a spread below this is rounding


@dataclass(frozen=True)
class Days:
    """Weighted summary of day means: all that the mixture needs, for any bound.

    ``stacked``, each field is an array with a place for every summary.
    """

    n: Any
    weight: Any
    mean: Any
    m2: Any  # weighted squared deviations from the mean
    thinning: Any = LEAST_THINNING

    @property
    def is_flat(self) -> bool:
        """Days that differ by nothing but rounding: no chance was at work, or none is known."""
        return bool(self.n > 1 and self.m2 <= self.weight * (FLAT * self.mean) ** 2)

    def mirrored(self) -> Days:
        return replace(self, mean=-self.mean)


def stacked(summaries: Sequence[Days]) -> Days:
    import numpy as np

    table = [(each.n, each.weight, each.mean, each.m2, each.thinning) for each in summaries]
    return Days(*np.array(table, dtype=float).reshape(-1, 5).T)


@dataclass(frozen=True)
class DaySums:
    """Of days in order of time; ``x`` is a day's mean less that of the first day."""

    n: int = 0
    rows: float = 0.0
    weight: float = 0.0
    first: float = 0.0  # the first day's mean
    mean: float = 0.0  # weighted, of x
    m2: float = 0.0  # weighted squared deviations from it
    x: float = 0.0  # sums: of x, of its squares, of products of neighbours, of next but one
    xx: float = 0.0
    x1: float = 0.0
    x2: float = 0.0
    head: tuple[float, ...] = ()  # x of the first two days, and of the last two
    tail: tuple[float, ...] = ()

    def with_day(self, mean: float, rows: float) -> DaySums:
        """One day more. Its weight depends on rows alone, and on those before it."""
        if not self.n:
            return fold_days([mean], [rows])
        weight = min(1.0, rows * self.n / max(self.rows, LEAST))
        x, total = mean - self.first, self.weight + weight
        off = x - self.mean
        moved = off * weight / total if total > 0 else 0.0
        return DaySums(
            n=self.n + 1,
            rows=self.rows + rows,
            weight=total,
            first=self.first,
            mean=self.mean + moved,
            m2=self.m2 + moved * off * self.weight,
            x=self.x + x,
            xx=self.xx + x * x,
            x1=self.x1 + self.tail[-1] * x,
            x2=self.x2 + (self.tail[-2] * x if self.n > 1 else 0.0),
            head=(*self.head, x)[:2],
            tail=(*self.tail, x)[-2:],
        )

    def summary(self, trusted_from: int) -> Days:
        """``trusted_from``: days needed before their likeness is estimated."""
        if self.weight == 0.0:
            return Days(n=0, weight=0.0, mean=0.0, m2=0.0)
        thinning = LEAST_THINNING
        if self.n >= max(trusted_from, 4):
            thinning = max(thinning, self._resemblance())
        return Days(self.n, self.weight, self.first + self.mean, self.m2, thinning)

    def _resemblance(self) -> float:
        """How much more the mean of three neighbours varies than if they were independent."""
        centre = self.x / self.n
        total = self.xx - self.n * centre**2
        if total <= self.n * (FLAT * (abs(self.first) + abs(centre))) ** 2:
            return 1.0
        edges = self.head[0] + self.tail[-1]
        lag1 = self.x1 - centre * (2.0 * self.x - edges) + (self.n - 1) * centre**2
        edges = sum(self.head) + sum(self.tail)
        lag2 = self.x2 - centre * (2.0 * self.x - edges) + (self.n - 2) * centre**2
        return 1.0 + (4.0 * lag1 + 2.0 * lag2) / total / 3.0


def fold_days(means: ArrayLike, rows: ArrayLike) -> DaySums:
    """All of them at once."""
    import numpy as np

    (found,) = fold_rows(np.asarray(means, dtype=float), np.asarray(rows, dtype=float)[None])
    return found


def fold_rows(means: NDArray[Any], rows: NDArray[Any]) -> list[DaySums]:
    """Of sequences side by side, days along the last axis. A day without rows is none."""
    import numpy as np

    there = rows > 0.0
    n = np.count_nonzero(there, axis=1)
    if not n.any():
        return [DaySums() for _ in rows]
    if (there[:, 1:] < there[:, :-1]).any():  # days to the end, in order
        order = np.argsort(there, axis=1, kind="stable")
        means = np.take_along_axis(np.broadcast_to(means, rows.shape), order, axis=1)
        rows, there = (np.take_along_axis(each, order, axis=1) for each in (rows, there))
    means = np.broadcast_to(means, rows.shape)
    begin = np.minimum(rows.shape[1] - n, rows.shape[1] - 1)[:, None]
    first = np.take_along_axis(means, begin, axis=1)
    x = np.where(there, means - first, 0.0)
    total, seen = np.cumsum(rows, axis=1), np.arange(float(rows.shape[1])) - begin
    weight = np.minimum(rows * seen / np.maximum(total - rows, LEAST), 1.0)
    np.put_along_axis(weight, begin, (n > 0)[:, None], axis=1)
    size = weight.sum(axis=1)
    mean = _products(weight, x) / np.maximum(size, LEAST)
    off = x - mean[:, None]
    columns = (
        n,
        total[:, -1],
        size,
        first[:, 0],
        mean,
        _products(weight * off, off),
        x.sum(axis=1),
        _products(x, x),
        _products(x[:, :-1], x[:, 1:]),
        _products(x[:, :-2], x[:, 2:]),
    )
    days = [own[len(own) - many :] for own, many in zip(x, n, strict=True)]
    ends = ([tuple(own[part].tolist()) for own in days] for part in (slice(2), slice(-2, None)))
    table = zip(*(column.tolist() for column in columns), *ends, strict=True)
    return [DaySums(*row) for row in table]


def _products(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    found: NDArray[Any] = np.einsum("ij,ij->i", one, other)
    return found
