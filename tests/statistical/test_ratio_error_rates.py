"""Seeded simulations of a ratio clustered by user: cost a request, with users who are all unlike.

Users ask between once and hundreds of times, and one who is dear is dear at every request. The
candidate's share grows, the price drifts by a third, and days move everybody. Rows would speak
far too loudly here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from policies.schema import Budget, Guardrail
from policies.vocabulary import PairMoments, WindowPair
from tasks.evidence.ratios import by_ratio
from tasks.evidence.summary import NO_PAIRS

MARGIN, ROLLBACK_AT = 0.1, 0.04
COST = Guardrail(
    name="cost", kind="ratio", metric="business", name_of_metric="cost", per="requests",
    direction="down", cap=1e6, without_value="zero", margin=MARGIN, rollback_at=ROLLBACK_AT,
    weight=1.0, information=4000.0, unit="user", relative=True, why="test",
)  # fmt: skip
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)
STEPS = ((0.0, 2), (0.05, 8), (0.25, 8), (0.5, 12))  # share and days
USERS = 2_000
THRESHOLD = math.log(20)
RUNS = 200


def _windows(rng: np.random.Generator, dearer: float) -> Iterator[WindowPair]:
    day, days = 0, sum(count for _, count in STEPS)
    for share, count in STEPS:
        for _ in range(count):
            asked = 1.0 + np.floor(rng.lognormal(1.0, 1.0, USERS))
            price = (1.0 + day / days / 3) * np.exp(rng.normal(0, 0.1) + rng.normal(0, 0.7, USERS))
            candidate = rng.random(USERS) < share
            paid = asked * price * np.where(candidate, 1.0 + dearer, 1.0)
            yield WindowPair(
                start=MIDNIGHT + timedelta(days=day),
                step="shadow" if not share else f"{share}",
                champion_pairs=_pairs(asked[~candidate], paid[~candidate]),
                candidate_pairs=_pairs(asked[candidate], paid[candidate]),
            )
            day += 1


def _pairs(x: np.ndarray, y: np.ndarray) -> PairMoments:
    if not len(x):
        return NO_PAIRS
    off_x, off_y = x - x.mean(), y - y.mean()
    return PairMoments(
        n=len(x), mean_x=x.mean(), mean_y=y.mean(), m2_x=(off_x**2).sum(),
        m2_y=(off_y**2).sum(), c_xy=(off_x * off_y).sum(),
    )  # fmt: skip


def _shares(dearer: float, seed: int) -> tuple[float, float]:
    """Releases rolled back at any look, and those that pass at the last."""
    rng = np.random.default_rng(seed)
    harmed = passed = 0
    for _ in range(RUNS):
        windows, seen = list(_windows(rng, dearer)), []
        harm = False
        for window in windows:
            seen.append(window)
            weighed = by_ratio(COST, seen, BUDGET)
            if weighed is not None and weighed.log_e_harm(ROLLBACK_AT) >= THRESHOLD:
                harm = True
                break
        harmed += harm
        passed += not harm and weighed is not None and weighed.log_e_safe(MARGIN) >= THRESHOLD
    return harmed / RUNS, passed / RUNS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dearer", "most_harmed", "most_passed"), [(0.0, 0.05, 1.0), (ROLLBACK_AT, 0.05, 1.0),
                                               (MARGIN, 1.0, 0.05)]
)  # fmt: skip
def test_errors_stay_within_the_budget(
    dearer: float, most_harmed: float, most_passed: float
) -> None:
    """Three standard errors of 200 releases are .046."""
    harmed, passed = _shares(dearer, seed=21)
    print(f"{dearer:+.0%}: rolled back {harmed:.3f}, passed {passed:.3f}")
    assert harmed <= most_harmed + 0.046 and passed <= most_passed + 0.046


@pytest.mark.slow
def test_a_third_dearer_is_found() -> None:
    harmed, _ = _shares(1 / 3, seed=22)
    print(f"a third: rolled back {harmed:.3f}")
    assert harmed >= 0.95
