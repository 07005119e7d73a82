"""Means of independent units: values of both arms become evidence at every look.

Heavy tails are cut where the values are summed, at a cap that was frozen before
(``Guardrail.cap``).

Where few of many users bring anything, a small arm may not have met one of them yet, and would
claim to vary by next to nothing. So the candidate's values are taken to vary by no less than the
champion's: under the hypothesis that nothing is worse they vary alike.

Arrays as in ``arms``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    negated: bool = False  # values of a metric that should be high: worse is nearer to zero

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
            return sums(self._alike, 1.0 - bound if self.negated else 1.0 + bound, 0.0)
        return sums(self._alike, 1.0, bound)

    @cached_property
    def _alike(self) -> Arms:
        return replace(self.arms, alike=True)

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
