"""Evidence from the means of whole days, however many rows a day has.

Rows of one day share its weather, so they are not independent; days are the clusters, and
their variance is only ever estimated between days. With unknown variance the right-Haar
mixture gives an e-process that is exact for normal day means from the second day on (Lai
1976; Perez-Ortiz, Lardy, de Heide and Gruenwald 2024). With the half-normal prior of the
one-sided normal mixture (Howard, Ramdas, McAuliffe and Sekhon 2021) on the effect in
day-to-day standard deviations it has a closed form, whose limit for many days is that normal
mixture::

    E = 2 (1 + W rho^2)^(-1/2) (1 - a)^(-n/2) F_n( sqrt(n a / (1 - a)) sign T )
    T = sum w (d - bound),  Q = sum w (d - bound)^2,  a = rho^2 T^2 / Q / (1 + W rho^2)

with n days, weights w that sum to W, and F_n the t distribution with n degrees of freedom.
rho is planned in the metric's unit and put into standard deviations with the spread of the
days so far; the answer hardly depends on it (tests/statistical bounds the error rates).

Neighbouring days resemble each other (weather lasts), so a day counts for less than one:
the likelihood is raised to the power 1 / thinning. ``LEAST_THINNING`` holds from the start,
when nothing can be estimated; the autocorrelation seen may only raise it (``day_sums``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.evidence.day_sums import LEAST, Days, fold_days

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Shares of the planned days at which the mixture is sharp, equally weighted: the end of the
# release, its first days, and a harm so large that two or three days show it.
SCALES = (1.0, 0.05, 0.0025)
FEWEST_PLANNED, MOST_PLANNED = 14.0, 365.0  # days a release may be planned to take
LOG_ZERO = -700.0  # a probability too small for float64


def summarise_days(means: ArrayLike, rows: ArrayLike, trusted_from: int) -> Days:
    """Summary of day means with their row counts, in order of time.

    A day with fewer rows than the days before it on average weighs proportionally less; none
    weighs more than a full day. Weights depend on row counts alone, so they carry no news
    about the effect. ``trusted_from``: days needed before their autocorrelation is estimated.
    """
    return fold_days(means, rows).summary(trusted_from)


def log_e_above(days: Days, bound: Any, information: Any, error_rate: float) -> Any:
    """Log e-value against "the effect is at most ``bound``"; zero when there are no days.

    ``information``: expected 1 / variance of the final effect, fixed before the release. One
    summary gives a number; ``stacked`` summaries with bounds of their own give as many.
    """
    import numpy as np

    seen = np.asarray(days.n) > 0
    planned = _planned_days(days, information)
    terms = [_log_e(days, bound, _rho2(planned * scale, error_rate)) for scale in SCALES]
    found = np.where(seen, np.logaddexp.reduce(terms, axis=0) - math.log(len(SCALES)), 0.0)
    return found if found.ndim else float(found)


def log_e_below(days: Days, bound: Any, information: Any, error_rate: float) -> Any:
    """Log e-value against "the effect is at least ``bound``"."""
    return log_e_above(days.mirrored(), -bound, information, error_rate)


def log_mean_exp(terms: Sequence[float]) -> float:
    top = max(terms)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms) / len(terms))


def _log_e(days: Days, bound: Any, rho2: Any) -> Any:
    import numpy as np
    from scipy.special import stdtr  # a second to import: late

    off = days.mean - bound
    t, n = days.weight * off, days.n / days.thinning
    q = np.maximum(days.m2 + t * off, LEAST)
    spread = 1.0 + rho2 * days.weight / days.thinning
    a = rho2 * t * t / (days.thinning * q) / spread
    odds = np.copysign(np.sqrt(n * a / (1.0 - a)), t)
    log_tail = np.log(np.maximum(stdtr(np.maximum(n, LEAST), odds), math.exp(LOG_ZERO)))
    return math.log(2.0) + log_tail - 0.5 * np.log(spread) - 0.5 * n * np.log1p(-a)


def _planned_days(days: Days, information: Any) -> Any:
    """Days that would carry the information planned, at the spread between days seen so far.

    The prior lives in day-to-day standard deviations, the plan in the metric's unit. The
    limits keep a plan that was wrong by any factor harmless.
    """
    import numpy as np

    degrees = days.weight * np.maximum(days.n - 1, 0) / np.maximum(days.n, 1)
    spread = days.m2 / np.maximum(degrees, LEAST)
    return np.clip(information * spread, FEWEST_PLANNED, MOST_PLANNED)


def _rho2(sharp_at: float, error_rate: float) -> float:
    """Prior variance that makes the bound tight at ``sharp_at`` days (Waudby-Smith et al.
    2021, eq. 161, with twice the rate because one side is tested)."""
    log_a = math.log(2.0 * error_rate)
    return (-2.0 * log_a + math.log(1.0 - 2.0 * log_a)) / sharp_at
