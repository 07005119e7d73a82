"""How late is late: a quantile of logarithmic buckets, frozen before the release."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.errors import RefusedError
from policies.schema import Guardrail
from tasks.telemetry.log_buckets import bucket_of, end_of, quantile_of, slow_beyond, threshold_of
from tasks.telemetry.ports import LogCounts

UNTIL = datetime(2026, 3, 4, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=7)
P99 = Guardrail(
    name="late", kind="quantile", metric="latency", quantile=0.99, before_days=7, margin=0.01,
    rollback_at=0.004, weight=1.0, information=1e5, why="test",
)  # fmt: skip


def counted(milliseconds: list[float], unknown: int = 0) -> LogCounts:
    return LogCounts(counts=Counter(b for v in milliseconds if (b := bucket_of(v)) is not None),
                     unknown=unknown)  # fmt: skip


@given(values=st.lists(st.floats(0.01, 1e7), min_size=1, max_size=40), share=st.floats(0.5, 0.99))
@example(values=[1.0, 2.0], share=0.5000000000000001)
def test_a_quantile_is_told_within_about_one_percent(values: list[float], share: float) -> None:
    """Never below the value that it stands for, whatever the scale."""
    exact = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    told = quantile_of(counted(values), share)
    assert told is not None and exact <= told * (1 + 1e-9) and told <= exact * 1.0112


@given(one=st.lists(st.floats(0.01, 1e5), max_size=9), two=st.lists(st.floats(0.01, 1e5)))
def test_counts_of_two_periods_add_up(one: list[float], two: list[float]) -> None:
    both = Counter(counted(one).counts) + Counter(counted(two).counts)
    assert both == counted([*one, *two]).counts


@pytest.mark.parametrize("odd", [None, math.nan, math.inf, -math.inf])
def test_what_was_not_measured_has_no_bucket(odd: float | None) -> None:
    assert bucket_of(odd) is None


def test_what_took_no_time_is_the_fastest() -> None:
    assert bucket_of(0.0) == bucket_of(-1.0) == bucket_of(0.001)


def test_the_threshold_of_two_thousand_answers() -> None:
    """1,980 fast ones and twenty slow ones: late is what is later than the fast ones."""
    frozen = threshold_of(P99, counted([10.0] * 1980 + [500.0] * 20), SINCE, UNTIL)
    assert 10.0 <= frozen.above <= 10.12
    assert (frozen.n, frozen.quantile, frozen.since, frozen.until) == (2000, 0.99, SINCE, UNTIL)
    slow = slow_beyond(P99, {"late": frozen})
    assert (slow.metric, slow.slow_ms) == ("slow", frozen.above)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (LogCounts(counts={}), "0 answers in the 7 days before the release"),
        (counted([10.0] * 1999), "1,999 answers in the 7 days"),
        (counted([10.0] * 1970, unknown=30), "30 of 2,000 answers"),
        (LogCounts(counts={}, unknown=5000), "5,000 of 5,000 answers"),
    ],
)
def test_too_little_is_refused_and_never_a_default(counts: LogCounts, told: str) -> None:
    with pytest.raises(RefusedError, match=told) as refused:
        threshold_of(P99, counts, SINCE, UNTIL)
    assert refused.value.advice


def test_no_threshold_of_the_opening_is_no_default_either() -> None:
    with pytest.raises(RefusedError, match="no threshold was recorded"):
        slow_beyond(P99, {})


def test_ends_grow_with_their_places() -> None:
    ends = [end_of(place) for place in range(-700, 1700)]
    assert ends == sorted(set(ends))
