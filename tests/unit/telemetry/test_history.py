"""How far units are adjusted by what they brought before, and by which days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import RefusedError
from policies.schema import Guardrail
from policies.vocabulary import Adjustment, Frozen, PairMoments
from tasks.evidence.summary import pairs_of
from tasks.telemetry.days import days_between
from tasks.telemetry.history import FEWEST_UNITS, adjusted, adjustment_of, stretches
from tasks.telemetry.ports import UnitMetric

UNTIL = datetime(2026, 3, 4, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=7)
ZONE = "America/New_York"
REVENUE = UnitMetric(name="revenue", horizon_hours=12, cap=100.0, without_value="zero")
RAIL = Guardrail(
    name="revenue", kind="mean", metric="business", name_of_metric="revenue", direction="up",
    cap=100.0, without_value="zero", cuped_days=7, margin=1.0, rollback_at=0.4, weight=1.0,
    information=10.0, unit="user", why="test",
)  # fmt: skip

VALUES = st.lists(
    st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=FEWEST_UNITS, max_size=120
)


@given(values=VALUES)
def test_what_is_left_is_never_more_spread_than_before(values: list[tuple[float, float]]) -> None:
    """Theta is the least-squares slope: on its own users no other leaves less variance."""
    pairs = pairs_of(values)
    told = adjustment_of(pairs, SINCE, UNTIL)
    assert -1.0 <= told.correlation <= 1.0

    def left(theta: float) -> float:
        return pairs.m2_y - 2 * theta * pairs.c_xy + theta**2 * pairs.m2_x

    slack = 1e-9 * (1.0 + pairs.m2_y)
    for other in (0.0, 0.9 * told.theta, 1.1 * told.theta):
        assert left(told.theta) <= left(other) + slack


@pytest.mark.parametrize(
    "pairs",
    [
        PairMoments(n=0),
        PairMoments(n=FEWEST_UNITS - 1, mean_x=3, mean_y=3, m2_x=9, m2_y=9, c_xy=9),
        PairMoments(n=500, mean_x=3, mean_y=3, m2_x=0.0, m2_y=9, c_xy=0.0),
        PairMoments(n=500, mean_x=3, mean_y=3, m2_x=5e-324, m2_y=9, c_xy=1.0),
    ],
)
def test_what_cannot_be_told_adjusts_nothing(pairs: PairMoments) -> None:
    """Too few users, users all alike, or figures beyond what a float holds."""
    told = adjustment_of(pairs, SINCE, UNTIL)
    assert (told.theta, told.correlation, told.n) == (0.0, 0.0, pairs.n)


@pytest.mark.parametrize("hour", [0, 3, 4, 16, 23])
@pytest.mark.parametrize("day", [9, 10, 20])
def test_both_stretches_are_over_and_follow_each_other(day: int, hour: int) -> None:
    """Whole local days, also where the clocks go forward (8 March 2026 in New York)."""
    now = datetime(2026, 3, day, hour, tzinfo=UTC)
    before, then = stretches(3, REVENUE, now, ZONE)
    assert len(before) == len(then) == 3
    ends = [day for stretch in (before, then) for day in stretch]
    assert all(one[1] == two[0] for one, two in pairwise(ends))
    assert then[-1][1] + timedelta(hours=12) <= now < then[-1][1] + timedelta(hours=36)
    told = adjustment_of(PairMoments(n=0), then[0][0], then[-1][1])
    assert list(days_between(told, ZONE)) == list(then)


def test_what_was_not_settled_is_no_default() -> None:
    frozen = Adjustment(theta=0.5, mean=1.0, n=300, correlation=0.7, since=SINCE, until=UNTIL)
    assert adjusted(RAIL, Frozen(adjustments={"revenue": frozen})) == frozen
    with pytest.raises(RefusedError, match="no adjustment was recorded"):
        adjusted(RAIL, Frozen())
    assert adjusted(RAIL.model_copy(update={"cuped_days": None}), Frozen()) is None
