"""Seeded simulations of a metric that few of many users bring anything to.

Three users in a hundred buy, and what they pay is skewed. A canary of twenty users a day has often
met nobody who buys when it has met a hundred: by its own variance it would be sure of itself.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from policies.schema import Budget, Guardrail
from policies.vocabulary import Moments, WindowPair
from tasks.evidence.users import by_user

MARGIN, ROLLBACK_AT = 0.12, 0.02
PAID = Guardrail(
    name="paid", kind="mean", metric="business", name_of_metric="paid", direction="up", cap=50.0,
    without_value="zero", margin=MARGIN, rollback_at=ROLLBACK_AT, weight=1.0, information=400.0,
    unit="user", why="test",
)  # fmt: skip
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)
STEPS = ((0.05, 8), (0.25, 8), (0.5, 8))  # share and days
USERS, BUYERS = 400, 0.03
THRESHOLD = math.log(20)
RUNS = 1_000


def _moments(values: np.ndarray) -> Moments:
    return Moments(n=len(values), mean=values.mean(), m2=((values - values.mean()) ** 2).sum())


def _windows(rng: np.random.Generator, share_of_buyers: float) -> list[WindowPair]:
    """The candidate's users buy as often as given; what they pay is the same."""
    found = []
    for day, share in enumerate(share for share, count in STEPS for _ in range(count)):
        candidate = rng.random(USERS) < share
        buys = rng.random(USERS) < np.where(candidate, share_of_buyers, BUYERS)
        paid = np.minimum(buys * rng.lognormal(1, 1, USERS), 50.0)
        found.append(
            WindowPair(
                start=MIDNIGHT + timedelta(days=day),
                step=f"{share}",
                champion_units=_moments(paid[~candidate]),
                candidate_units=_moments(paid[candidate]),
            )
        )
    return found


def _shares(share_of_buyers: float, seed: int) -> tuple[float, float]:
    """Releases rolled back at any look, and those that pass at one before."""
    rng = np.random.default_rng(seed)
    harmed = passed = 0
    for _ in range(RUNS):
        windows = _windows(rng, share_of_buyers)
        for day in range(2, len(windows) + 1, 2):
            weighed = by_user(PAID, windows[:day], BUDGET)
            if weighed is None:
                continue
            if weighed.log_e_harm(ROLLBACK_AT) >= THRESHOLD:
                harmed += 1
                break
            if weighed.log_e_safe(MARGIN) >= THRESHOLD:
                passed += 1
                break
    return harmed / RUNS, passed / RUNS


@pytest.mark.slow
def test_a_canary_that_met_no_buyer_yet_is_not_harm() -> None:
    """No difference; three standard errors of 1,000 releases are .021."""
    harmed, passed = _shares(BUYERS, seed=41)
    print(f"no difference: rolled back {harmed:.3f}, passed {passed:.3f}")
    assert harmed <= 0.05 + 0.021


@pytest.mark.slow
def test_users_who_stop_buying_are_found() -> None:
    """Nobody buys any more, which is .13 a user."""
    harmed, passed = _shares(0.0, seed=42)
    print(f"nobody buys: rolled back {harmed:.3f}, passed {passed:.3f}")
    assert harmed >= 0.5
