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
when nothing can be estimated; the autocorrelation seen may only raise it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

# Shares of the planned days at which the mixture is sharp, equally weighted: the end of the
# release, its first days, and a harm so large that two or three days show it.
SCALES = (1.0, 0.05, 0.0025)
# Means of three neighbouring days vary 1.5 to 2 times as much as independent days would
# (flight delays, nine months): see tests/statistical for what this buys and costs.
LEAST_THINNING = 1.5
FEWEST_PLANNED, MOST_PLANNED = 14.0, 365.0  # days a release may be planned to take
FLAT = 1e-9  # of the mean: a spread below this is rounding
LOG_ZERO = -700.0  # a probability too small for float64


@dataclass(frozen=True)
class Days:
    """Weighted summary of day means: all that the mixture needs, for any bound."""

    n: int
    weight: float
    mean: float
    m2: float  # weighted squared deviations from the mean
    thinning: float = LEAST_THINNING

    @property
    def is_flat(self) -> bool:
        """Days that differ by nothing but rounding: no chance was at work, or none is known."""
        return self.n > 1 and self.m2 <= self.weight * (FLAT * self.mean) ** 2

    def mirrored(self) -> Days:
        return replace(self, mean=-self.mean)


def summarise_days(means: Sequence[float], rows: Sequence[float], trusted_from: int) -> Days:
    """Summary of day means with their row counts, in order of time.

    A day with fewer rows than the days before it on average weighs proportionally less; none
    weighs more than a full day. Weights depend on row counts alone, so they carry no news
    about the effect. ``trusted_from``: days needed before their autocorrelation is estimated.
    """
    weights = _weights(rows)
    total = math.fsum(weights)
    if total == 0:
        return Days(n=0, weight=0.0, mean=0.0, m2=0.0)
    mean = math.fsum(w * d for w, d in zip(weights, means, strict=True)) / total
    m2 = math.fsum(w * (d - mean) ** 2 for w, d in zip(weights, means, strict=True))
    thinning = LEAST_THINNING
    if len(means) >= max(trusted_from, 4):
        thinning = max(thinning, _resemblance(means))
    return Days(n=len(means), weight=total, mean=mean, m2=m2, thinning=thinning)


def log_e_above(days: Days, bound: float, information: float, error_rate: float) -> float:
    """Log e-value against "the effect is at most ``bound``"; zero when there are no days.

    ``information``: expected 1 / variance of the final effect, fixed before the release.
    """
    if days.n == 0:
        return 0.0
    planned = _planned_days(days, information)
    terms = [_log_e(days, bound, _rho2(planned * scale, error_rate)) for scale in SCALES]
    return log_mean_exp(terms)


def log_e_below(days: Days, bound: float, information: float, error_rate: float) -> float:
    """Log e-value against "the effect is at least ``bound``"."""
    return log_e_above(days.mirrored(), -bound, information, error_rate)


def log_mean_exp(terms: Sequence[float]) -> float:
    top = max(terms)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms) / len(terms))


def _log_e(days: Days, bound: float, rho2: float) -> float:
    from scipy.special import stdtr  # a second to import: late

    t = days.weight * (days.mean - bound)
    q = days.m2 + days.weight * (days.mean - bound) ** 2
    n = days.n / days.thinning
    spread = 1.0 + rho2 * days.weight / days.thinning
    a = 0.0 if q == 0 else rho2 * t * t / (days.thinning * q) / spread
    odds = math.copysign(math.sqrt(n * a / (1.0 - a)), t)
    tail = float(stdtr(n, odds))
    log_tail = math.log(tail) if tail > 0 else LOG_ZERO
    return math.log(2.0) + log_tail - 0.5 * math.log(spread) - 0.5 * n * math.log1p(-a)


def _planned_days(days: Days, information: float) -> float:
    """Days that would carry the information planned, at the spread between days seen so far.

    The prior lives in day-to-day standard deviations, the plan in the metric's unit. The
    limits keep a plan that was wrong by any factor harmless.
    """
    spread = days.m2 / days.weight * days.n / (days.n - 1) if days.n > 1 else 0.0
    return min(max(information * spread, FEWEST_PLANNED), MOST_PLANNED)


def _rho2(sharp_at: float, error_rate: float) -> float:
    """Prior variance that makes the bound tight at ``sharp_at`` days (Waudby-Smith et al.
    2021, eq. 161, with twice the rate because one side is tested)."""
    log_a = math.log(2.0 * error_rate)
    return (-2.0 * log_a + math.log(1.0 - 2.0 * log_a)) / sharp_at


def _weights(rows: Sequence[float]) -> list[float]:
    weights, before = [], 0.0
    for day, count in enumerate(rows):
        weights.append(min(1.0, count * day / before) if before > 0 else 1.0)
        before += count
    return weights


def _resemblance(means: Sequence[float]) -> float:
    """How much more the mean of three neighbouring days varies than if they were independent."""
    centre = math.fsum(means) / len(means)
    off = [d - centre for d in means]
    total = math.fsum(d * d for d in off)
    if total == 0:
        return 1.0
    lag1 = math.fsum(a * b for a, b in pairwise(off)) / total
    lag2 = math.fsum(a * b for a, b in zip(off, off[2:], strict=False)) / total
    return 1.0 + (4.0 * lag1 + 2.0 * lag2) / 3.0
