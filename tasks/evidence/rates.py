"""Rates of independent rows: faults of both arms become evidence at every look.

Faults that are still rare are weighed exactly (``ratio_counts``) until both arms have had
``MANY_EVENTS``, and by ``normal_mixture`` from the next window on; which of the two a window
uses is settled before that window, so the product is an e-process. For harm a share of the
mixture stays with the exact counts: users who are failed now cannot wait for a normal theory.

Arrays as in ``arms``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.evidence import ratio_counts
from tasks.evidence.arms import Arms, sums
from tasks.evidence.normal_mixture import log_e_mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

MANY_EVENTS = 20  # in either arm, before normal theory may weigh a rate
EXACT_SHARE = 0.8  # of the harm mixture: exact counts lose little where faults are a few percent


@dataclass(frozen=True)
class Rates:
    """Events in both arms, with what is fixed before the first window."""

    arms: Arms
    xa: Floats
    xb: Floats
    planned: Floats | float  # V at the end of the release
    alpha: float
    beta: float

    @staticmethod
    def of(
        step: Floats, na: Floats, xa: Floats, nb: Floats, xb: Floats,
        *, planned: Floats | float, alpha: float, beta: float,
    ) -> Rates:  # fmt: skip
        return Rates(Arms.of_counts(step, na, xa, nb, xb), xa, xb, planned, alpha, beta)

    @cached_property
    def rare(self) -> Floats:
        """Windows before which either arm had too few events for normal theory."""
        import numpy as np

        seen = np.minimum(np.cumsum(self.xa, axis=-1), np.cumsum(self.xb, axis=-1))
        before = np.concatenate([np.zeros_like(seen[..., :1]), seen[..., :-1]], axis=-1)
        found: Floats = before < MANY_EVENTS
        return found

    def log_e_harm(self, worse: float) -> Floats:
        """Against "the candidate's rate is at most ``1 + worse`` times the champion's"."""
        import numpy as np

        border = 1.0 + worse
        logs = self._exact(border, ratio_counts.harm_ratios(border))
        every = ratio_counts.mixed(np.cumsum(logs, axis=-2), ratio_counts.HARM_SHARES)
        rare = np.cumsum(np.where(self.rare[..., None], logs, 0.0), axis=-2)
        then = ratio_counts.mixed(rare, ratio_counts.HARM_SHARES)
        s, v = sums(self.arms, border, 0.0, ~self.rare)
        then = then + log_e_mixed(s, v, self.planned, self.alpha)
        found: Floats = np.logaddexp(math.log(EXACT_SHARE) + every, math.log1p(-EXACT_SHARE) + then)
        return found

    def log_e_safe(self, margin: float) -> Floats:
        """Against "the candidate's rate is at least ``1 + margin`` times the champion's"."""
        import numpy as np

        border = 1.0 + margin
        logs = self._exact(border, ratio_counts.safe_ratios(border))
        rare = np.cumsum(np.where(self.rare[..., None], logs, 0.0), axis=-2)
        exact = ratio_counts.mixed(rare, ratio_counts.SAFE_SHARES)
        s, v = sums(self.arms, border, 0.0, ~self.rare)
        found: Floats = exact + log_e_mixed(-s, v, self.planned, self.beta)
        return found

    def _exact(self, border: float, ratios: tuple[float, ...]) -> Floats:
        arms = self.arms
        return ratio_counts.log_ratios(arms.na, self.xa, arms.nb, self.xb, border, ratios)
