"""Numbers that others have published, computed again; each with its source beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import t as student

from tasks.evidence.normal_mixture import log_e, rho2_for
from tests.benchmarks.rules import growthbook
from tests.statistical.group_sequential import (
    crossing,
    obrien_fleming_spending,
    spent_boundaries,
)

# Armitage, McPherson and Rowe (1969), Repeated significance tests on accumulating data, J. R.
# Stat. Soc. A 132, table 2: chance that |z| > 1.96 at one of K equally spaced looks.
REPEATED_LOOKS = {
    1: 0.050, 2: 0.083, 3: 0.107, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320, 100: 0.374,
}  # fmt: skip

# Lan and DeMets (1983), Biometrika 70; the values of R's gsDesign (sfLDOF) and ldbounds for five
# equal looks, one-sided .025.
OBRIEN_FLEMING = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]

# gostevehoward/confseq, test/uniform_boundaries_unittest.cpp ("from a reference implementation in
# R"): v_opt = 100, alpha_opt = .05, then at sum s = 10 and variance v = 100. Their rho is 1 over
# our rho squared, tuned by the closed approximation (best_rho; a = 2 alpha for one side), not by
# Lambert's W.
V_OPT, SUM, VARIANCE, ALPHA = 100.0, 10.0, 100.0, 0.05
CONFSEQ_RHO_TWO_SIDED = 12.60056
CONFSEQ_LOG_ONE_SIDED, CONFSEQ_BOUND_ONE_SIDED = -0.06502391, 27.66071
CONFSEQ_LOG_TWO_SIDED, CONFSEQ_BOUND_TWO_SIDED = -0.6510052, 30.35209

# growthbook/growthbook, packages/stats/tests/frequentist/test_tests.py: sum, sum of squares, rows.
SPENT_A, SPENT_B = (1396.87, 52377.9767, 3000), (2422.7, 134698.29, 3461)
BOUGHT_A, BOUGHT_B = (1396, 3000), (2422, 3461)


def test_naive_looks_find_what_is_not_there() -> None:
    """The table of 1969, to the three digits it prints."""
    looks = max(REPEATED_LOOKS)
    chances = np.cumsum(crossing([1.959963985] * looks, range(1, looks + 1), sides=2))
    found = {k: round(float(chances[k - 1]), 3) for k in REPEATED_LOOKS}
    assert found == REPEATED_LOOKS


def test_boundaries_that_spend_like_obrien_and_fleming() -> None:
    found = spent_boundaries(obrien_fleming_spending(0.025), [1, 2, 3, 4, 5])
    assert found == pytest.approx(OBRIEN_FLEMING, abs=1.5e-4)


def test_those_boundaries_stop_two_and_a_half_percent_in_all() -> None:
    assert crossing(OBRIEN_FLEMING, [1, 2, 3, 4, 5], sides=1).sum() == pytest.approx(
        0.025, abs=2e-6
    )


def log_e_two_sided(s: float, v: float, rho2: float) -> float:
    return -0.5 * math.log1p(rho2 * v) + rho2 * s * s / (2 * (1 + rho2 * v))


def test_one_sided_normal_mixture() -> None:
    """The mixture that weighs a release, with its own tuning."""
    rho2 = rho2_for(V_OPT, ALPHA)

    def at(s: float) -> float:
        return float(log_e(np.asarray(s), np.asarray(VARIANCE), rho2))

    assert at(SUM) == pytest.approx(CONFSEQ_LOG_ONE_SIDED, abs=1e-7)
    bound = brentq(lambda s: at(s) + math.log(ALPHA), 0, 100)
    assert bound == pytest.approx(CONFSEQ_BOUND_ONE_SIDED, abs=1e-5)


def test_two_sided_normal_mixture() -> None:
    """The same tuning at half the rate; sums on both sides speak."""
    rho2 = rho2_for(V_OPT, ALPHA / 2)
    assert 1 / rho2 == pytest.approx(CONFSEQ_RHO_TWO_SIDED, abs=1e-5)
    assert log_e_two_sided(SUM, VARIANCE, rho2) == pytest.approx(CONFSEQ_LOG_TWO_SIDED, abs=1e-6)
    bound = math.sqrt((1 + rho2 * VARIANCE) / rho2 * math.log((1 + rho2 * VARIANCE) / ALPHA**2))
    assert bound == pytest.approx(CONFSEQ_BOUND_TWO_SIDED, abs=1e-5)


def test_growthbook_two_sided_of_a_relative_difference() -> None:
    a, b = _mean(SPENT_A), _mean(SPENT_B)
    lower, upper = _relative(a, b, tuning=1000.0)
    assert (lower, upper) == pytest.approx((-0.55844, 1.56516), abs=5e-6)


def test_growthbook_two_sided_of_proportions() -> None:
    a, b = _share(BOUGHT_A), _share(BOUGHT_B)
    assert _relative(a, b, tuning=5000.0) == pytest.approx((0.40098, 0.60675), abs=5e-6)


def test_growthbook_one_sided_at_any_time() -> None:
    """The interval their guardrails stop on, and its p-value (found by bisection of alpha)."""
    a, b = _mean(SPENT_A), _mean(SPENT_B)
    error, n = math.sqrt(a[1] / a[2] + b[1] / b[2]), np.asarray(a[2] + b[2], dtype=float)
    difference = b[0] - a[0]
    width = float(growthbook.halfwidth(np.asarray(error), n, ALPHA))
    assert difference - width == pytest.approx(-0.12656844172804982, abs=1e-12)
    assert difference + width == pytest.approx(0.5953217750613832, abs=1e-12)
    kept = growthbook.rho(ALPHA, growthbook.TUNING, sides=1)

    def lower(alpha: float) -> float:
        return difference - float(growthbook.halfwidth(np.asarray(error), n, alpha, rho_=kept))

    # Theirs halves the span of alpha once more after the halving that converged, the twelfth.
    theirs_off = (0.4999 - 1e-5) / 2**12
    assert brentq(lower, 1e-5, 0.4999) == pytest.approx(0.46316491943359384, abs=theirs_off)


def test_growthbook_one_sided_once() -> None:
    """Welch's test at one look: .0355427 is of this one, not of the sequential."""
    a, b = _mean(SPENT_A), _mean(SPENT_B)
    parts = a[1] / a[2], b[1] / b[2]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (a[2] - 1) + parts[1] ** 2 / (b[2] - 1))
    p = student.sf((b[0] - a[0]) / math.sqrt(sum(parts)), freedom)
    assert p == pytest.approx(0.03554272489873023, abs=1e-9)


Arm = tuple[float, float, int]  # mean, variance of a row, rows


def _mean(sums: tuple[float, float, int]) -> Arm:
    total, squares, n = sums
    return total / n, (squares - total * total / n) / (n - 1), n


def _share(counts: tuple[int, int]) -> Arm:
    p = counts[0] / counts[1]
    return p, p * (1 - p), counts[1]


def _relative(a: Arm, b: Arm, tuning: float) -> tuple[float, float]:
    """The delta method's error of (b - a) / a, two-sided at any time."""
    variance = b[1] / b[2] / a[0] ** 2 + a[1] / a[2] * b[0] ** 2 / a[0] ** 4
    n = np.asarray(a[2] + b[2], dtype=float)
    width = float(growthbook.halfwidth_two_sided(np.asarray(math.sqrt(variance)), n, ALPHA, tuning))
    effect = (b[0] - a[0]) / a[0]
    return effect - width, effect + width
