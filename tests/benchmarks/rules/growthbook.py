"""GrowthBook's guardrail: a one-sided interval that holds at any time, on the plain difference.

Safe Rollouts (docs.growthbook.io/features/safe-rollouts) stop as soon as one guardrail is
significantly worse. The half-width is equation 134 of Waudby-Smith and others
(arXiv 2103.06476v7) with rho of equation 161 at twice alpha; tuning 5000 and alpha 0.05 are the
defaults of ``gbstats`` (``SequentialConfig``). Both arms are of equal size and the rows of all
steps are added up, which equal arms allow. It is looked at in every window here, more often than
its snapshots are taken. What is still undecided at the end ships.

No variance is told as no difference (``gbstats`` gives its default result): nothing stops.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.streams import Ended, Streams, first_stop

Numbers = NDArray[np.float64]

ALPHA = 0.05
TUNING = 5000.0


def rho(alpha: float, tuning: float, *, sides: int) -> float:
    log_a = np.log(alpha if sides == 2 else 2 * alpha)
    return float(np.sqrt((-2 * log_a + np.log(1 - 2 * log_a)) / tuning))


def halfwidth(
    error: Numbers, n: Numbers, alpha: float, tuning: float = TUNING, *, rho_: float | None = None
) -> Numbers:
    """One side, from the standard ``error`` of the estimate and ``n`` rows of both arms."""
    r2 = (rho(alpha, tuning, sides=1) if rho_ is None else rho_) ** 2
    spread = n * r2 + 1
    return np.asarray(
        error * np.sqrt(2 * spread / (n * r2) * np.log1p(np.sqrt(spread) / 2 / alpha))
    )


def halfwidth_two_sided(
    error: Numbers, n: Numbers, alpha: float, tuning: float = TUNING
) -> Numbers:
    r2 = rho(alpha, tuning, sides=2) ** 2
    spread = n * r2 + 1
    return np.asarray(error * np.sqrt(2 * spread / (n * r2) * np.log(np.sqrt(spread) / alpha)))


def is_worse(
    difference: Numbers, error: Numbers, n: Numbers, alpha: float = ALPHA
) -> NDArray[np.bool_]:
    """The whole interval lies above zero; without variance it does not exist."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((error > 0) & (difference > halfwidth(error, n, alpha)))


def judge(streams: Streams, alpha: float = ALPHA) -> Ended:
    control = np.cumsum(streams.control, axis=2)
    candidate = np.cumsum(streams.candidate, axis=2)
    n = np.cumsum(streams.candidate_n).astype(float)
    a, b = control / n, candidate / n
    error = np.sqrt((a * (1 - a) + b * (1 - b)) / (n - 1))
    return first_stop(streams, is_worse(b - a, error, 2 * n, alpha).any(axis=1))
