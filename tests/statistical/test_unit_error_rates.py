"""Seeded simulations of a business metric: how often it wrongly rolls back or wrongly passes.

Customers come again and again, and some always spend more: whom chance dealt to which arm stays
for the whole release, so days are not independent draws of it. A unit therefore counts once a
step. Spending has a long tail (capped), the day moves everybody, and the candidate's share grows
while the same customers stay where they were and others join them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from policies.schema import Budget, Guardrail
from policies.vocabulary import Moments, WindowPair
from tasks.evidence.by_days import days_weighed
from tasks.evidence.running import Running

CAP, MARGIN, ROLLBACK_AT = 60.0, 2.0, 0.8
REVENUE = Guardrail(
    name="revenue", kind="mean", metric="business", name_of_metric="revenue", direction="up",
    cap=CAP, without_value="zero", margin=MARGIN, rollback_at=ROLLBACK_AT, weight=1.0,
    information=60.0, why="test",
)  # fmt: skip
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)
STEPS = ((0.05, 10), (0.25, 10), (0.5, 20))  # share and days
CUSTOMERS, COMES = 20_000, 0.05  # a thousand come on a day, each about once in three weeks
THRESHOLD = math.log(20)
RUNS = 150


def _windows(rng: np.random.Generator, effect: float) -> Iterator[WindowPair]:
    bucket = rng.random(CUSTOMERS)
    wealth = rng.normal(2.0, 0.6, CUSTOMERS)
    day = 0
    for share, days in STEPS:
        counted = np.zeros(CUSTOMERS, dtype=bool)
        for _ in range(days):
            came = (rng.random(CUSTOMERS) < COMES) & ~counted
            counted |= came
            spent = np.exp(wealth[came] + rng.normal(0.0, 0.15) + rng.normal(0, 0.6, came.sum()))
            candidate = bucket[came] < share
            spent = np.clip(np.minimum(spent, CAP) - effect * candidate, -CAP, CAP)
            yield WindowPair(
                start=MIDNIGHT + timedelta(days=day),
                step=f"{share}",
                champion_units=_moments(spent[~candidate]),
                candidate_units=_moments(spent[candidate]),
            )
            day += 1


def _moments(values: np.ndarray) -> Moments:
    if not len(values):
        return Moments(n=0)
    return Moments(n=len(values), mean=float(values.mean()), m2=float(values.var() * len(values)))


@cache
def _rates(effect: float) -> tuple[float, float]:
    """Shares of releases ever rolled back and ever passed, looked at daily."""
    rng = np.random.default_rng(20240501)
    harmed = passed = 0
    for _ in range(RUNS):
        windows = list(_windows(rng, effect))
        looks = [Running.of(REVENUE, windows[:n]).folds[0] for n in range(1, len(windows) + 1)]
        seen = [
            days_weighed(REVENUE, look.sums.summary(BUDGET.min_clusters), BUDGET, look.rows)
            for look in looks
            if look.sums.n
        ]
        harmed += any(look.log_e_harm(ROLLBACK_AT) >= THRESHOLD for look in seen)
        passed += any(look.log_e_safe(MARGIN) >= THRESHOLD for look in seen if look.clusters >= 7)
    return harmed / RUNS, passed / RUNS


def _three_errors(share: float) -> float:
    return share + 3 * math.sqrt(share * (1 - share) / RUNS)


@pytest.mark.slow
def test_a_copy_of_the_champion_is_hardly_ever_rolled_back() -> None:
    harmed, _ = _rates(0.0)
    assert harmed <= 0.05


@pytest.mark.slow
def test_a_loss_at_the_border_is_rolled_back_at_most_alpha() -> None:
    """Exactly rollback_at less a customer, looked at daily."""
    harmed, _ = _rates(ROLLBACK_AT)
    assert harmed <= _three_errors(0.05)


@pytest.mark.slow
def test_a_loss_at_the_margin_passes_at_most_beta() -> None:
    _, passed = _rates(MARGIN)
    assert passed <= _three_errors(0.05)


@pytest.mark.slow
def test_a_great_loss_is_caught_and_a_copy_passes() -> None:
    """The test is not safe by being blind: the power it has is worth something."""
    assert _rates(4.0)[0] >= 0.9
    assert _rates(0.0)[1] >= 0.5
