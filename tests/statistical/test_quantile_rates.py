"""Error rates of a quantile that was estimated before the release, and what the simulation is."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from policies.vocabulary import Counts, WindowPair
from tasks.evidence.requests import rates_of
from tasks.evidence.sequential import weigh
from tasks.evidence.summary import NO_COUNTS, merge_counts
from tests.statistical.frozen_quantiles import BUDGET, P99, TAIL, frozen_ms, hours_of, rolled_back
from tests.statistical.setting import SETTING
from tests.statistical.simulated import slack

RUNS = 1000
DAILY = P99.model_copy(
    update={
        "unit": "day", "relative": False, "margin": 0.005, "rollback_at": 0.002, "information": 2e6,
    }
)  # fmt: skip
DAILY_RUNS, LOOKS = 40, (2, 3, 4)  # days; a release of Release has five


def test_the_threshold_is_as_wrong_as_it_may_be() -> None:
    """Of 2,000 answers: in one release of ten .0075 or .0125 are late beyond it, and not .01."""
    rng = np.random.default_rng(SETTING.seed)
    moved = np.log(np.array([frozen_ms(rng) for _ in range(300)]) / TAIL.median_ms)
    late = np.mean(moved[:, None] < rng.normal(0.0, 1.005, 100_000), axis=1)
    assert np.quantile(late, 0.05) < 0.0075 and np.quantile(late, 0.95) > 0.0125


def test_all_looks_at_once_are_what_each_look_says() -> None:
    """The simulation asks the e-process after every hour, as a release would."""
    rng = np.random.default_rng(SETTING.seed)
    windows = list(hours_of(1.1, frozen_ms(rng), rng))
    rates = rates_of(P99, windows, BUDGET)
    assert rates is not None
    at_once = rates.log_e_harm(TAIL.rollback_at)
    for looked in (1, 10, 30, 60, 100):
        told = weigh(P99, windows[:looked], BUDGET)
        assert told.log_e_harm == pytest.approx(at_once[looked - 1], abs=1e-9)


@pytest.mark.slow
def test_a_policy_that_allows_no_slowness_at_all_keeps_its_rate() -> None:
    """``rollback_at`` 0, so that a candidate as fast as the champion stands on the border."""
    found = rolled_back(1.0, RUNS, SETTING.seed, at=0.0)
    print(f"as fast, rollback_at 0: rolled back {found:.3f}")
    assert found <= 0.05 + slack(0.05, RUNS)


def daily(windows: list[WindowPair]) -> list[WindowPair]:
    """Its hours added up to days."""
    found = []
    for (start, step), hours in groupby(windows, lambda w: (w.start.replace(hour=0), w.step)):
        arms: dict[str, Counts] = {"champion": NO_COUNTS, "candidate": NO_COUNTS}
        for each in hours:
            for arm, sums in arms.items():
                arms[arm] = merge_counts(sums, getattr(each, arm))
        found.append(WindowPair(start=start, step=step, **arms))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("slower", "least", "most"), [(1.0, 0.0, 0.05), (1.25, 0.99, 1.0)])
def test_by_the_day_the_same_holds(slower: float, least: float, most: float) -> None:
    """Absolute bounds and whole days, looked at daily; three standard errors of 40 are .10."""
    rng, hits = np.random.default_rng(SETTING.seed), 0
    for _ in range(DAILY_RUNS):
        days = daily(list(hours_of(slower, frozen_ms(rng), rng)))
        seen = (weigh(DAILY, [d for d in days if d.start.day <= last], BUDGET) for last in LOOKS)
        hits += any((each.log_e_harm or 0.0) >= 2.996 for each in seen)
    print(f"{slower:g} times as slow, by the day: rolled back {hits / DAILY_RUNS:.3f}")
    assert least - slack(least, DAILY_RUNS) <= hits / DAILY_RUNS <= most + slack(most, DAILY_RUNS)
