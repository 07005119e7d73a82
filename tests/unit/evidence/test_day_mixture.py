"""The mixture over days: its closed form, its limits and its laws."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evidence.day_mixture import (
    SCALES,
    _log_e,
    log_e_above,
    log_e_below,
    log_mean_exp,
    summarise_days,
)
from tasks.evidence.day_sums import LEAST_THINNING, Days, DaySums

MEANS = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=25)


def test_no_days_are_no_evidence() -> None:
    """Without a day both e-values are one."""
    none = summarise_days([], [], 7)
    assert log_e_above(none, 0.1, 60, 0.05) == 0.0 == log_e_below(none, 0.1, 60, 0.05)


def test_closed_form_is_the_integral() -> None:
    """The formula equals numerical integration over effect and scale (right-Haar prior)."""
    means, rho2, steps = [0.4, -0.1, 0.7, 0.2], 1.7, 50
    n, t, q = len(means), sum(means), sum(d * d for d in means)

    def integrand(sigma: float, delta: float) -> float:
        quadratic = q / (2 * sigma**2) - delta * t / sigma + n * delta**2 / 2
        return sigma ** -(n + 1) * math.exp(-quadratic)

    # over log sigma and delta by the midpoint rule
    width, reach = 12.0 / steps, 8.0 * math.sqrt(rho2) / steps
    top = bottom = 0.0
    for i in range(steps):
        sigma = math.exp(-5.0 + (i + 0.5) * width)
        bottom += integrand(sigma, 0.0) * sigma * width
        for j in range(steps):
            delta = (j + 0.5) * reach
            prior = 2 * math.exp(-(delta**2) / (2 * rho2)) / math.sqrt(2 * math.pi * rho2)
            top += prior * integrand(sigma, delta) * sigma * width * reach
    days = Days(n=n, weight=n, mean=t / n, m2=q - t * t / n, thinning=1.0)
    assert _log_e(days, 0.0, rho2) == pytest.approx(math.log(top / bottom), abs=2e-3)


def test_many_days_are_the_normal_mixture() -> None:
    """The limit is the one-sided normal mixture: the reference value of confseq's unit test."""
    # S = 10, V = 100, tuned at V = 100 for alpha = 0.05: -0.06502391. A million tiny days.
    n = 1_000_000
    a = 2 * 0.05
    rho2 = (-2 * math.log(a) + math.log(1 - 2 * math.log(a))) / 100.0
    scale = math.sqrt(100.0 / n)
    days = Days(n=n, weight=n, mean=10.0 / n / scale, m2=float(n), thinning=1.0)
    assert _log_e(days, 0.0, rho2 * scale**2) == pytest.approx(-0.06502391, abs=2e-2)


def test_a_day_of_few_rows_weighs_less() -> None:
    """Half a day's rows are half a day; twice the rows are still one day."""
    days = summarise_days([0.0, 1.0, 1.0], [100, 50, 1000], 7)
    assert days.weight == pytest.approx(1 + 0.5 + 1)
    assert days.mean == pytest.approx(1.5 / 2.5)


def test_neighbours_alike_are_thinned() -> None:
    """Days that follow one another closely count for less, never for more."""
    alike = summarise_days([0.0] * 10 + [1.0] * 10, [1] * 20, 7)
    apart = summarise_days([0.0, 1.0] * 10, [1] * 20, 7)
    assert alike.thinning > 2.0
    assert apart.thinning == LEAST_THINNING


def test_identical_days_stay_finite() -> None:
    """No variance seen is not certainty: two equal days prove nothing."""
    two = summarise_days([0.5, 0.5], [10, 10], 7)
    assert log_e_above(two, 0.0, 60, 0.05) < math.log(20)
    assert math.isfinite(log_e_above(summarise_days([0.0] * 9, [1] * 9, 7), 0.0, 60, 0.05))


def test_scales_are_mixed_evenly() -> None:
    """The mixture is the plain average of its scales."""
    assert log_mean_exp([0.0, 0.0, 0.0]) == 0.0
    assert len(SCALES) == 3 and SCALES[0] == 1.0


@given(MEANS, st.floats(0.001, 0.5))
def test_more_harm_is_never_less_evidence_of_harm(means: list[float], shift: float) -> None:
    """Shifting every day up never lowers the evidence of harm nor raises that of safety."""
    rows = [1.0] * len(means)
    before = summarise_days(means, rows, 7)
    after = summarise_days([m + shift for m in means], rows, 7)
    assert log_e_above(after, 0.0, 60, 0.05) >= log_e_above(before, 0.0, 60, 0.05) - 1e-6
    assert log_e_below(after, 0.1, 60, 0.05) <= log_e_below(before, 0.1, 60, 0.05) + 1e-6


@given(MEANS, st.floats(0.01, 100))
def test_the_unit_of_the_metric_does_not_matter(means: list[float], unit: float) -> None:
    """Effects, bounds and information in another unit give the same evidence."""
    rows = [1.0] * len(means)
    here = log_e_above(summarise_days(means, rows, 7), 0.01, 60, 0.05)
    there = summarise_days([m * unit for m in means], rows, 7)
    assert log_e_above(there, 0.01 * unit, 60 / unit**2, 0.05) == pytest.approx(here, abs=1e-6)


@given(MEANS, st.lists(st.integers(1, 1000), min_size=25, max_size=25))
def test_days_folded_one_by_one_are_all_days_at_once(means: list[float], rows: list[int]) -> None:
    """Also where neighbours are alike, so that thinning counts."""
    means = sorted(means)
    one_by_one = DaySums()
    for day, count in zip(means, rows, strict=False):
        one_by_one = one_by_one.with_day(day, count)
    found = astuple(one_by_one.summary(4))
    assert found == pytest.approx(astuple(summarise_days(means, rows[: len(means)], 4)), abs=1e-9)
