"""Means of independent units: values of both arms become evidence at every look.

Also for what can be written as a mean: a ratio of two sums, linearised unit by unit
(``of_ratios``), and a quantile, as the share of answers beyond a threshold that was frozen
before the release (a rate; see ``rates``). Heavy tails are cut at a cap that was frozen before
(``Guardrail.cap``), where the values are summed.

Arrays as in ``arms``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.evidence.arms import Arms, sums
from tasks.evidence.normal_mixture import log_e_mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

MANY_UNITS = 100  # in either arm, before normal theory may weigh a mean


@dataclass(frozen=True)
class Means:
    """One value a unit, oriented so that greater is worse."""

    arms: Arms
    planned: Floats | float  # V at the end of the release
    alpha: float
    beta: float
    relative: bool  # bounds are shares of the champion's mean, else in the metric's own unit

    def log_e_harm(self, worse: float) -> Floats:
        """Against "the candidate's mean is at most ``worse`` above the champion's"."""
        s, v = self._sums(worse)
        return self._trusted(log_e_mixed(s, v, self.planned, self.alpha))

    def log_e_safe(self, margin: float) -> Floats:
        """Against "the candidate's mean is at least ``margin`` above the champion's"."""
        s, v = self._sums(margin)
        return self._trusted(log_e_mixed(-s, v, self.planned, self.beta))

    def _sums(self, bound: float) -> Any:
        if self.relative:
            return sums(self.arms, 1.0 + bound, 0.0)
        return sums(self.arms, 1.0, bound)

    @cached_property
    def _enough(self) -> Floats:
        import numpy as np

        a, b = np.cumsum(self.arms.na, axis=-1), np.cumsum(self.arms.nb, axis=-1)
        found: Floats = np.minimum(a, b) >= MANY_UNITS
        return found

    def _trusted(self, log_e: Floats) -> Floats:
        """Nothing is said before normal theory holds; a look not taken costs no validity."""
        import numpy as np

        return np.where(self._enough, log_e, 0.0)


@dataclass(frozen=True)
class UnitSums:
    """Per window and arm, over units: how many, and the sums of numerator and denominator."""

    n: Floats
    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats

    def mean_and_m2(self) -> tuple[Floats, Floats]:
        """The ratio ``sum(y) / sum(x)`` and the squared deviations of its linearised values.

        Delta method (Deng, Knoblich and Lu 2018): ``z = (y - R x) / mean(x)`` varies as the
        ratio does, and its sum over the units is zero.
        """
        import numpy as np

        n = np.maximum(self.n, 1.0)
        mean_x = np.where(self.x != 0.0, self.x / n, 1.0)
        ratio = self.y / n / mean_x
        m2 = (self.yy - 2.0 * ratio * self.xy + ratio**2 * self.xx) / mean_x**2
        return ratio, np.maximum(m2, 0.0)


def of_ratios(step: Floats, a: UnitSums, b: UnitSums) -> Arms:
    """Windows of a ratio, clustered by unit; a unit belongs to the window of its first request."""
    mean_a, m2_a = a.mean_and_m2()
    mean_b, m2_b = b.mean_and_m2()
    return Arms(step, a.n, mean_a, m2_a, b.n, mean_b, m2_b)
