"""Differences between two arms, added up window by window and never pooled over steps.

Arms are only compared inside one window of one step, and differences are added up. Pooling a
ramp's steps would compare the candidate's late requests with the champion's early ones: with a
base rate that drifts it rolls back every candidate, also one that is better (Simpson 1951).

A window's difference ``mean_b - k mean_a - shift`` weighs ``h = na nb / (na + nb)``; weights
depend on the allocation alone. The variance of rows is estimated about the mean of their step,
from all windows so far. Where the windows themselves scatter more than their rows explain, the
larger variance counts: rows that claimed to be independent and are not must not speak louder.

Arrays: windows run along the last axis, in order of time, a step's windows side by side; axes
before it (releases, guardrails, segments) are free and computed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

MANY_WINDOWS = 20  # before the scatter between windows is believed


@dataclass(frozen=True)
class Arms:
    """Windows of both arms: rows, mean and sum of squared deviations; the step of each."""

    step: Floats  # (windows,), equal numbers side by side
    na: Floats
    mean_a: Floats
    m2_a: Floats
    nb: Floats
    mean_b: Floats
    m2_b: Floats
    alike: bool = False  # the candidate's rows are taken to vary by no less than the champion's

    @staticmethod
    def of_counts(step: Floats, na: Floats, xa: Floats, nb: Floats, xb: Floats) -> Arms:
        """Yes/no rows: ``x`` events of ``n``."""
        import numpy as np

        a, b = xa / np.maximum(na, 1.0), xb / np.maximum(nb, 1.0)
        return Arms(step, na, a, xa * (1.0 - a), nb, b, xb * (1.0 - b))

    @cached_property
    def weight(self) -> Floats:
        import numpy as np

        found: Floats = self.na * self.nb / np.maximum(self.na + self.nb, 1.0)
        return found

    @cached_property
    def parts(self) -> list[slice]:
        """The windows of each step."""
        import numpy as np

        edges = np.flatnonzero(np.diff(self.step)) + 1
        return [slice(a, b) for a, b in zip([0, *edges], [*edges, len(self.step)], strict=True)]

    @cached_property
    def spread_a(self) -> Floats:
        return self._running_variance(self.na, self.mean_a, self.m2_a)

    @cached_property
    def spread_b(self) -> Floats:
        import numpy as np

        own = self._running_variance(self.nb, self.mean_b, self.m2_b)
        return np.maximum(own, self.spread_a) if self.alike else own

    def _running_variance(self, n: Floats, mean: Floats, m2: Floats) -> Floats:
        """Of the rows up to each window, about their own step's mean.

        A step's first windows are few rows, often without a single event, and would claim to
        vary by nothing at all: so the larger of the step's own variance and that of all steps
        so far counts.
        """
        import numpy as np

        found = np.zeros(np.broadcast_shapes(n.shape, mean.shape))
        rows_before: Any = 0.0
        squares_before: Any = 0.0
        for part in self.parts:
            rows, off = n[..., part], mean[..., part] - mean[..., part][..., :1]
            count = np.cumsum(rows, axis=-1)
            first = np.cumsum(rows * off, axis=-1)
            squares = np.cumsum(m2[..., part] + rows * off * off, axis=-1)
            squares = np.maximum(squares - first * first / np.maximum(count, 1.0), 0.0)
            own = squares / np.maximum(count - 1.0, 1.0)
            all_steps = (squares_before + squares) / np.maximum(rows_before + count - 1.0, 1.0)
            found[..., part] = np.maximum(own, all_steps)
            rows_before = rows_before + count[..., -1:]
            squares_before = squares_before + squares[..., -1:]
        return found


def sums(arms: Arms, factor: float, shift: float, used: Floats | None = None) -> Any:
    """``S`` and ``V`` after each window, against ``mean_b = factor * mean_a + shift``.

    ``used``: which windows count (all when ``None``).
    """
    import numpy as np

    h = arms.weight if used is None else np.where(used, arms.weight, 0.0)
    d = arms.mean_b - factor * arms.mean_a - shift
    s = np.cumsum(h * d, axis=-1)
    v = _variance(arms, h, factor)
    return s, np.maximum(v, _scatter(h, d, s))


def _variance(arms: Arms, h: Floats, factor: float) -> Floats:
    """What the rows explain, step by step."""
    import numpy as np

    v = np.zeros(np.broadcast_shapes(h.shape, arms.spread_a.shape, arms.spread_b.shape))
    before: Any = 0.0
    for part in arms.parts:
        hh = h[..., part] ** 2
        from_a = np.cumsum(hh / np.maximum(arms.na[..., part], 1.0), axis=-1)
        from_b = np.cumsum(hh / np.maximum(arms.nb[..., part], 1.0), axis=-1)
        rows = arms.spread_b[..., part] * from_b + factor**2 * arms.spread_a[..., part] * from_a
        v[..., part] = before + rows
        before = v[..., part][..., -1:]
    return v


def _scatter(h: Floats, d: Floats, s: Floats) -> Floats:
    """The variance of ``S`` as the windows' differences show it, once there are enough."""
    import numpy as np

    hh, seen = h * h, np.cumsum(h > 0, axis=-1)
    mean = s / np.maximum(np.cumsum(h, axis=-1), 1e-300)
    squares = np.cumsum(hh * d * d, axis=-1)
    squares = squares - 2.0 * mean * np.cumsum(hh * d, axis=-1) + mean**2 * np.cumsum(hh, axis=-1)
    found = squares * seen / np.maximum(seen - 1.0, 1.0)
    return np.where(seen >= MANY_WINDOWS, found, 0.0)
