"""The rules of other systems as they are published, at their borders and with their flaws.

They are the other side of ``tests/benchmarks/judges.py``: a comparison is worth what its
opponents are worth.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from policies.loader import find
from tests.benchmarks import flights, judges
from tests.benchmarks.rules import argo, flagger, growthbook, kayenta, naive, seatrial
from tests.benchmarks.streams import Streams, draw, exposed
from tests.statistical.setting import SETTING, Harm, Release, Setting

NAN = math.nan
SMALL = replace(Release(), base_rates=(0.02, 0.2), windows_a_step=20, rows_a_window=6_000)


def streams(candidate: list[list[int]], control: list[list[int]], n: int) -> Streams:
    """One run by hand: events by metric and window, ``n`` rows an arm in each window."""
    a, b = np.asarray([control]), np.asarray([candidate])
    rows = np.full(b.shape[2], n)
    release = replace(
        SMALL, base_rates=(0.1,) * b.shape[1], shares=(0.5,), windows_a_step=b.shape[2], drift=1.0
    )
    return Streams(release, a, a, b, rows, rows)


# Argo Rollouts: docs/features/analysis.md and analysis/analysis.go, assessMetricStatus.


@pytest.mark.parametrize("failure_limit", [0, 1, 3])
def test_argo_aborts_at_one_failure_more_than_the_limit(failure_limit: int) -> None:
    measured = np.asarray([0.06, 0.01] * 5)  # every second one fails: in total, not in a row
    aborted = argo.aborts(measured, 0.05, failure_limit=failure_limit)
    assert list(aborted).index(True) == 2 * failure_limit
    assert not argo.aborts(measured[: 2 * failure_limit], 0.05, failure_limit=failure_limit).any()


def test_argo_takes_the_limit_itself_for_success_and_nan_for_failure() -> None:
    assert not argo.aborts(np.asarray([0.05]), 0.05, failure_limit=0).any()
    assert argo.aborts(np.asarray([NAN]), 0.05, failure_limit=0).all()


def test_argo_ends_at_the_fifth_error_in_a_row_and_forgets_the_others() -> None:
    rates = np.zeros(12)
    errors = np.asarray([True] * 4 + [False] + [True] * 5 + [False] * 2)
    aborted = argo.aborts(rates, 0.05, errors=errors)
    assert list(np.flatnonzero(aborted)) == [9]


def test_argo_without_a_measurement_counts_as_successful() -> None:
    """Steps shorter than the interval: terminated before it measured, and promoted."""
    short = streams([[10, 10, 10]], [[0, 0, 0]], 10)
    assert argo.judge(short, np.asarray([0.05])).promoted.all()


def test_argo_measures_five_minutes_at_a_time() -> None:
    worse = streams([[10] * 25], [[1] * 25], 10)
    ended = argo.judge(worse, np.asarray([0.05]))
    assert ended.served[0] == argo.INTERVAL * (argo.FAILURE_LIMIT + 1)


# Flagger: docs.flagger.app/usage/how-it-works and pkg/controller/scheduler.go, advanceCanary.


def test_flagger_adds_up_failed_checks_however_far_apart() -> None:
    spread = np.tile([False] + [True] * 99, 10)
    assert np.flatnonzero(flagger.rolls_back(spread))[0] == 900
    assert not flagger.rolls_back(spread[:900]).any()


def test_flagger_rolls_back_one_interval_after_the_check_that_filled_the_counter() -> None:
    worse = streams([[10] * 25], [[0] * 25], 10)
    assert flagger.judge(worse, np.asarray([0.05])).served[0] == flagger.THRESHOLD + 1


def test_flagger_takes_no_traffic_for_a_failed_check() -> None:
    idle = streams([[0] * 12], [[0] * 12], 0)
    assert flagger.judge(idle, np.asarray([0.05])).stopped.all()


# Kayenta: ClassifierSuite.scala of spinnaker/kayenta has such cases; these numbers are our own.

ABOUT_TEN = [10 + math.sin(7.3 * k) * 2 for k in range(30)]
ALSO_TEN = [10 + math.cos(5.1 * k) * 2 for k in range(30)]
ABOUT_TWENTY = [20 + math.sin(3.7 * k) * 2 for k in range(30)]


@pytest.mark.parametrize(
    ("control", "experiment", "direction", "label"),
    [
        (ABOUT_TEN, ALSO_TEN, "either", "Pass"),
        (ABOUT_TEN, ABOUT_TWENTY, "either", "High"),
        (ABOUT_TWENTY, ABOUT_TEN, "either", "Low"),
        (ABOUT_TWENTY, ABOUT_TEN, "increase", "Pass"),
        (ABOUT_TEN, ABOUT_TWENTY, "decrease", "Pass"),
        (ABOUT_TEN, ABOUT_TWENTY, "increase", "High"),
        (ABOUT_TEN, list(reversed(ABOUT_TEN)), "either", "Pass"),
        ([1.0] * 30, [1.0] * 20, "either", "Pass"),
        ([], ABOUT_TEN, "either", "Nodata"),
        (ABOUT_TEN, [NAN] * 30, "either", "Nodata"),
        ([1.0, 1.1, 1.2], [5.0, 5.1, 5.2], "either", "High"),  # three points: apart is enough
    ],
)
def test_kayenta_classifies(
    control: list[float], experiment: list[float], direction: kayenta.Direction, label: str
) -> None:
    assert kayenta.classify(control, experiment, direction) == label


@pytest.mark.parametrize("control", [ABOUT_TEN, [1.0, 1.0, 2.0, 2.0, 3.0, 7.0]])
def test_kayentas_rank_test_is_that_of_others(control: list[float]) -> None:
    """Corrected for ties and for continuity, like scipy's."""
    experiment = [*control[:3], 2.0, 8.0, 11.0]
    known = mannwhitneyu(experiment, control, method="asymptotic", alternative="two-sided")
    z = kayenta._z(np.asarray([control]), np.asarray([experiment]), np.zeros(1))
    assert 2 * norm.sf(abs(z[0])) == pytest.approx(known.pvalue, abs=1e-12)


def test_kayenta_passes_errors_where_the_baseline_has_none() -> None:
    """spinnaker/kayenta#377 and #799: an empty baseline is Nodata, with ``replace`` a Pass."""
    errors = [NAN, 2.0, NAN, 1.0, 3.0] * 6
    assert kayenta.classify([NAN] * 30, errors, "increase") == "Nodata"
    assert kayenta.classify([], errors, "increase", replace_nan=True) == "Pass"


def test_kayenta_passes_sparse_errors_against_none() -> None:
    """spinnaker/spinnaker#5622 and spinnaker/kayenta#426: errors in half of the minutes."""
    errors = [0, 0.048, 0, 0.18, 0.089, 0, 0.098, 0.035, 0, 0]
    assert kayenta.classify([0.0] * 10, errors, "increase") == "Pass"
    assert kayenta.classify([0.0] * 6, [0, 1.0, 2.0, 1.0, 0, 0], "increase") == "Pass"


@pytest.mark.parametrize(("bad", "label"), [(7, "Pass"), (8, "High")])
def test_kayenta_passes_seven_bad_points_of_ten(bad: int, label: str) -> None:
    """spinnaker/spinnaker#6278 (kayenta#780): 100 against 1 is seen from the eighth point on."""
    experiment = [100.0] * bad + [1.0] * (10 - bad)
    assert kayenta.classify([1.0] * 10, experiment, "increase") == label


@pytest.mark.slow
@pytest.mark.parametrize(("resemblance", "least", "most"), [(0.0, 0.0, 0.05), (0.5, 0.2, 0.45)])
def test_kayenta_takes_minutes_that_resemble_each_other_for_harm(
    resemblance: float, least: float, most: float
) -> None:
    """No difference, a hundred minutes judged twenty times: one canary in three is refused."""
    noise = np.random.default_rng(7).normal(size=(2, 200, 100))
    for minute in range(1, 100):
        fresh = math.sqrt(1 - resemblance**2) * noise[..., minute]
        noise[..., minute] = resemblance * noise[..., minute - 1] + fresh
    a, b = noise
    flagged = np.zeros(200, dtype=bool)
    for end in range(5, 101, 5):
        flagged |= kayenta.is_high(a[:, :end], b[:, :end])
        flagged |= kayenta.is_high(-a[:, :end], -b[:, :end])
    assert least <= flagged.mean() <= most


def test_kayenta_leaves_an_error_out_of_the_score() -> None:
    """One point a side cannot be judged; the metric then counts neither way."""
    assert kayenta.classify([1.0], [100.0]) == "Error"
    assert kayenta.score(["Error"]) == 100.0
    assert kayenta.score(["Error", "Pass", "High"]) == 50.0


def test_kayenta_scores() -> None:
    assert kayenta.score(["Pass"] * 4 + ["High"]) == 80.0
    assert kayenta.score(["Pass"] * 4 + ["High"], critical=[False] * 4 + [True]) == 0.0
    assert kayenta.score(["Pass", "Pass", "Nodata"]) == 100.0
    assert kayenta.score(["Pass", "Nodata"]) == 0.0  # half without data


def test_kayenta_lets_one_bad_metric_of_five_run_on_to_the_end_of_its_step() -> None:
    """80 is above marginal, so no interval ends it; it is below pass, so the last one does."""
    quiet, bad = [5, 6, 4, 5] * 50, [50, 60, 40, 50] * 50
    five = streams([[*quiet[1:], 5]] * 4 + [bad], [quiet] * 5, 100)
    assert kayenta.judge(five).served[0] == 200
    two = streams([bad, bad], [quiet, quiet], 100)
    assert kayenta.judge(two).served[0] == kayenta.INTERVAL


# GrowthBook: its numbers are in test_published_values.py.


def test_growthbook_without_variance_stops_nothing() -> None:
    """No event in one arm, one in every row of the other: variance zero, so no result."""
    assert growthbook.judge(streams([[10] * 5], [[0] * 5], 10)).promoted.all()


def test_growthbook_ships_what_is_undecided_at_the_end() -> None:
    assert growthbook.judge(streams([[2, 1]], [[1, 1]], 10)).promoted.all()


def test_one_look_at_zero_events_is_no_alarm() -> None:
    assert naive.judge(streams([[0, 0]], [[0, 0]], 10)).promoted.all()


# Seatrial's own rule, on the same streams.


def test_seatrial_holds_what_it_could_not_show_to_be_safe() -> None:
    """Few rows and no difference: neither rolled back nor promoted."""
    ended = seatrial.judge(streams([[1, 1, 1]], [[1, 1, 1]], 10))
    assert not ended.stopped.any()
    assert not ended.promoted.any()


def test_every_rule_sees_a_candidate_that_fails_always() -> None:
    dead = streams([[99, 100] * 30] * 2, [[10, 11] * 30] * 2, 100)
    limits = np.asarray([0.2, 0.2])
    ended = [
        argo.judge(dead, limits), flagger.judge(dead, limits), kayenta.judge(dead),
        growthbook.judge(dead), naive.judge(dead), seatrial.judge(dead),
    ]  # fmt: skip
    assert all(e.stopped.all() and not e.promoted.any() for e in ended)


# The table.


def test_the_same_seed_draws_the_same_table() -> None:
    harms = (Harm("A/A", (1, 1), "none"), Harm("x2", (2, 1), "harm"))
    assert judges.measure(SMALL, harms, 3, 1) == judges.measure(SMALL, harms, 3, 1)


def test_exposed_requests_are_those_until_the_end() -> None:
    drawn = draw(SMALL, (1.0, 1.0), 2, np.random.default_rng(1))
    ended = flagger.judge(drawn, np.asarray([1.0, 1.0]))
    assert list(exposed(drawn, ended)) == [sum(SMALL.candidate_rows)] * 2


def test_the_digest_is_of_the_numbers() -> None:
    assert SETTING.digest() == Setting().digest()
    assert replace(SETTING, seed=1).digest() != SETTING.digest()


def test_the_table_says_where_we_are_not_the_lowest() -> None:
    harms = (Harm("A/A", (1,), "none"), Harm("x2", (2,), "harm"))
    quick, slow = judges.Result(0.0, 1.0, 10.0), judges.Result(0.0, 1.0, 20.0)
    table = {"Kayenta": {"A/A": quick, "x2": quick}, judges.OURS: {"A/A": slow, "x2": slow}}
    assert any("NOT the lowest" in line for line in judges.compared(table, harms, 0.05))
    table[judges.OURS] = table["Kayenta"]
    assert any("Kayenta and Seatrial (10" in line for line in judges.compared(table, harms, 0.05))


def test_a_rule_with_too_many_false_rollbacks_is_not_compared() -> None:
    harms = (Harm("A/A", (1,), "none"), Harm("x2", (2,), "harm"))
    hasty, calm = judges.Result(0.06, 0.94, 1.0), judges.Result(0.05, 0.95, 20.0)
    table = {"Flagger": {"A/A": hasty, "x2": hasty}, judges.OURS: {"A/A": calm, "x2": calm}}
    assert not any("Flagger" in line for line in judges.compared(table, harms, 0.05))


# Flights.


def test_on_flights_flagger_is_a_day_late_and_never_promotes_a_full_counter() -> None:
    full = np.asarray([[False, True, True, True], [False, False, False, True]])
    later = flights._a_day_later(full)
    assert [list(row).index(True) for row in later] == [2, 3]


def test_flights_met_are_those_until_the_stop() -> None:
    stops = np.asarray([[False, True, False], [False, False, False], [False, False, False]])
    ending = flights._ending(stops, np.full(stops.shape, 100.0))
    assert ending == flights.Ending(rolled_back=pytest.approx(1 / 3), promoted=pytest.approx(2 / 3),
                                    met=300.0)  # fmt: skip


def test_the_shares_of_flights_are_the_policys_own() -> None:
    shares = flights._shares(find("flight-delay").policy)
    assert len(shares) == flights.DAYS
    assert shares[0] == 0.05
    assert max(shares) == shares[-1] == flights.LARGEST_SHARE
