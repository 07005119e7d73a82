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
from tasks.telemetry.history import FEWEST_UNITS, adjusted, adjustment_of, stretches, theta_of
from tasks.telemetry.ports import UnitHistory, UnitMetric

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
    """On its own users: whatever theta is, it leaves no more variance than none would."""
    pairs = pairs_of(values)
    theta, correlation = theta_of(pairs)
    assert -1.0 <= correlation <= 1.0 and -1.0 <= theta <= 1.0
    left = pairs.m2_y - 2 * theta * pairs.c_xy + theta**2 * pairs.m2_x
    assert left <= pairs.m2_y + 1e-9 * (1.0 + pairs.m2_y)


def test_theta_is_the_slope_of_later_on_before() -> None:
    """Least squares: days twice as large before than after halve."""
    values = [(2.0 * (n % 10), 1.0 * (n % 10) + 0.01 * (n % 3)) for n in range(200)]
    theta, correlation = theta_of(pairs_of(values))
    assert theta == pytest.approx(0.5, abs=0.01) and correlation > 0.99


ROUNDED = [(sum([0.1] * 3), float(n % 2)) if n % 2 else (0.3, float(n % 2)) for n in range(200)]
ONE_BUYER = [(0.01, 100.0)] + [(0.0, 0.0)] * 199
UNLIKE = [(float(n % 7), float(n % 5)) for n in range(210)]


@pytest.mark.parametrize(
    "pairs",
    [
        PairMoments(n=0),
        PairMoments(n=FEWEST_UNITS - 1, mean_x=3, mean_y=3, m2_x=9, m2_y=9, c_xy=9),
        PairMoments(n=500, mean_x=3, mean_y=3, m2_x=0.0, m2_y=9, c_xy=0.0),
        PairMoments(n=500, mean_x=3, mean_y=3, m2_x=9, m2_y=0.0, c_xy=0.0),
        PairMoments(n=500, mean_x=3, mean_y=3, m2_x=5e-324, m2_y=9, c_xy=1.0),
        pairs_of(ROUNDED),
        pairs_of(UNLIKE),
    ],
)
def test_what_cannot_be_told_adjusts_nothing(pairs: PairMoments) -> None:
    """Too few users, users all alike but for rounding, and days that tell nothing of others."""
    assert theta_of(pairs) == (0.0, 0.0)


def test_one_buyer_is_not_multiplied() -> None:
    """A day brings what days brought: a slope beyond one is chance."""
    assert theta_of(pairs_of(ONE_BUYER))[0] == 1.0


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
    nothing = UnitHistory(pairs=PairMoments(n=0), known=0, mean=0.0)
    told = adjustment_of("m", nothing, then[0][0], then[-1][1])
    assert list(days_between(told, ZONE)) == list(then)


def test_what_was_not_settled_is_no_default() -> None:
    frozen = Adjustment(
        model="m", theta=0.5, mean=1.0, n=300, known=400, correlation=0.7, since=SINCE, until=UNTIL
    )
    assert adjusted(RAIL, Frozen(adjustments={"revenue": frozen})) == frozen
    with pytest.raises(RefusedError, match="no adjustment was recorded"):
        adjusted(RAIL, Frozen())
    assert adjusted(RAIL.model_copy(update={"cuped_days": None}), Frozen()) is None
