"""Harm that begins with a later step."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.schema import Budget, Guardrail
from policies.vocabulary import Moments, WindowPair
from tasks.evidence.onset import mixed, since_each_step
from tasks.evidence.sequential import weigh

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
    weight=1.0, information=15_000, why="test",
)  # fmt: skip
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)
LOG_E = st.floats(-20, 40)


def window(day: int, step: str, mean: float = 0.0) -> WindowPair:
    start = MIDNIGHT + timedelta(days=day)
    return WindowPair(start=start, step=step, paired=Moments(n=900, mean=mean, m2=9.0))


def days(step: str, first: int, count: int, mean: float) -> list[WindowPair]:
    rng = random.Random(first)
    return [window(first + n, step, rng.gauss(mean, 0.03)) for n in range(count)]


def test_steps_come_in_the_order_in_which_they_began() -> None:
    """A day that two steps share belongs to both, each with its own rows."""
    seen = [window(0, "shadow"), window(1, "shadow"), window(1, "canary"), window(2, "canary"),
            window(2, "ramp"), window(3, "full")]  # fmt: skip
    found = {since.step: len(since.windows) for since in since_each_step(seen[::-1])}
    assert list(found) == ["canary", "ramp", "full"]
    assert found == {"canary": 4, "ramp": 2, "full": 1}
    assert since_each_step([]) == since_each_step([window(0, "shadow")]) == []


def test_harm_in_the_soak_is_not_hidden_by_good_weeks() -> None:
    """Over all days the candidate is still ahead; since the soak began it does harm."""
    seen = [*days("shadow", 0, 30, -0.03), *days("full", 30, 10, -0.03), *days("soak", 40, 10, 0.1)]
    alone = weigh(QUALITY, seen, BUDGET)
    assert alone.effect is not None
    assert alone.effect < 0
    assert (alone.log_e_harm or 0.0) < 0
    found = weigh(QUALITY, seen, BUDGET, later_steps=5)
    assert (found.log_e_harm or 0.0) > -math.log(BUDGET.rollback_alpha)
    assert found.onset.startswith("since soak began +0.")
    assert found.effect == alone.effect
    assert found.log_e_safe == alone.log_e_safe


def test_harm_from_the_beginning_is_told_of_all_days() -> None:
    """No step stands out: nothing is said of one."""
    seen = [*days("shadow", 0, 20, 0.1), *days("canary", 20, 3, 0.1)]
    assert weigh(QUALITY, seen, BUDGET, later_steps=5).onset == ""


def test_one_step_alone_pays_half_for_the_others() -> None:
    """The share of steps that have not begun stays at one."""
    assert mixed(0.0, [], 5) == pytest.approx(0.0)
    assert mixed(math.log(99.0), [], 5) == pytest.approx(math.log(50.0))
    assert mixed(math.log(99.0), [], 0) == pytest.approx(math.log(99.0))


@given(LOG_E, st.lists(LOG_E, max_size=5), st.integers(0, 5))
def test_a_mixture_is_an_average(whole: float, later: list[float], steps: int) -> None:
    """Weights that sum to one: never above the greatest part, never below the least."""
    parts = [whole, *later] + ([0.0] if steps > len(later) else [])
    assert min(parts) - 1e-9 <= mixed(whole, later, steps) <= max(parts) + 1e-9
