"""Seeded simulations of a business metric whose users differ far more than models do.

What a user brings follows a habit; the days before show it with noise of their own. Theta comes
from a few hundred users of the days before and stays, right or wrong. One user in ten is new and
has no history. Both judgements see the very same users.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pytest

from policies.schema import Budget, Guardrail
from policies.vocabulary import Adjustment, Moments, PairMoments, WindowPair
from tasks.evidence.users import by_user
from tasks.telemetry.history import adjustment_of
from tasks.telemetry.ports import UnitHistory

MARGIN, ROLLBACK_AT = 1.0, 0.4
REVENUE = Guardrail(
    name="revenue", kind="mean", metric="business", name_of_metric="revenue", direction="up",
    cap=1e6, without_value="zero", cuped_days=14, margin=MARGIN, rollback_at=ROLLBACK_AT,
    weight=1.0, information=100.0, unit="user", why="test",
)  # fmt: skip
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)
STEPS = ((0.05, 8), (0.25, 8), (0.5, 14))  # share and days
USERS, KNOWN = 400, 400  # a day; of the days before
HABIT, NOISE, NEW = 10.0, 5.0, 0.1
THRESHOLD = math.log(20)
RUNS = 200


class Told(NamedTuple):
    harmed: bool
    days: float  # until it is proven not to be worse by the margin; infinite: never


def _people(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What they brought on a day before, on average; and what a day brings them now."""
    habit = 30 + rng.gamma(1.0, HABIT, n)  # few bring much
    return habit + rng.normal(0, 2.0, n), habit + rng.normal(0, NOISE, n)


def _settled(rng: np.random.Generator) -> Adjustment:
    x, y = _people(rng, KNOWN)
    off_x, off_y = x - x.mean(), y - y.mean()
    pairs = PairMoments(
        n=KNOWN, mean_x=x.mean(), mean_y=y.mean(), m2_x=(off_x**2).sum(),
        m2_y=(off_y**2).sum(), c_xy=(off_x * off_y).sum(),
    )  # fmt: skip
    history = UnitHistory(pairs=pairs, known=KNOWN, mean=x.mean())
    return adjustment_of("m", history, MIDNIGHT - timedelta(days=14), MIDNIGHT)


def _moments(values: np.ndarray) -> Moments:
    return Moments(n=len(values), mean=values.mean(), m2=((values - values.mean()) ** 2).sum())


def _windows(rng: np.random.Generator, worse: float) -> tuple[list[WindowPair], list[WindowPair]]:
    """Of the values as they are, and of those told apart from the habit."""
    frozen = _settled(rng)
    plain, adjusted = [], []
    shares = [share for share, count in STEPS for _ in range(count)]
    for day, share in enumerate(shares):
        x, y = _people(rng, USERS)
        candidate = rng.random(USERS) < share
        y = y + rng.normal(0, 3) - worse * candidate  # a day moves everybody
        known = rng.random(USERS) >= NEW
        less = frozen.theta * np.where(known, x - frozen.mean, 0.0)
        for values, found in ((y, plain), (y - less, adjusted)):
            found.append(
                WindowPair(
                    start=MIDNIGHT + timedelta(days=day),
                    step=f"{share}",
                    champion_units=_moments(values[~candidate]),
                    candidate_units=_moments(values[candidate]),
                )
            )
    return plain, adjusted


def _told(windows: list[WindowPair]) -> Told:
    days = math.inf
    for day in range(1, len(windows) + 1):
        weighed = by_user(REVENUE, windows[:day], BUDGET)
        if weighed is None:
            continue
        if weighed.log_e_harm(ROLLBACK_AT) >= THRESHOLD:
            return Told(harmed=True, days=math.inf)
        if days == math.inf and weighed.log_e_safe(MARGIN) >= THRESHOLD:
            days = day
    return Told(harmed=False, days=days)


def _releases(worse: float, seed: int) -> tuple[list[Told], list[Told]]:
    rng = np.random.default_rng(seed)
    both = [_windows(rng, worse) for _ in range(RUNS)]
    return [_told(plain) for plain, _ in both], [_told(adjusted) for _, adjusted in both]


def _harmed(told: list[Told]) -> float:
    return sum(each.harmed for each in told) / RUNS


def _passed(told: list[Told]) -> float:
    return sum(math.isfinite(each.days) for each in told) / RUNS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worse", "most_harmed", "most_passed"),
    [(0.0, 0.05, 1.0), (ROLLBACK_AT, 0.05, 1.0), (MARGIN, 1.0, 0.05)],
)
def test_errors_stay_within_the_budget(
    worse: float, most_harmed: float, most_passed: float
) -> None:
    """At any look. Three standard errors of 200 releases are .046."""
    _, told = _releases(worse, seed=31)
    print(f"worse by {worse:g}: rolled back {_harmed(told):.3f}, passed {_passed(told):.3f}")
    assert _harmed(told) <= most_harmed + 0.046 and _passed(told) <= most_passed + 0.046


@pytest.mark.slow
def test_proof_comes_sooner_by_what_is_known_of_users() -> None:
    """The very same users, judged with and without what they brought before."""
    plain, told = _releases(0.0, seed=32)
    days = [float(np.median([each.days for each in arm])) for arm in (plain, told)]
    print(f"median days to proof: {days[0]:g} plain, {days[1]:g} adjusted")
    assert days[1] < days[0] and _passed(told) >= 0.95


@pytest.mark.slow
def test_harm_is_found_by_what_is_known_of_users() -> None:
    plain, told = _releases(2 * MARGIN, seed=33)
    print(f"two margins worse: rolled back {_harmed(plain):.3f} plain, {_harmed(told):.3f}")
    assert _harmed(told) >= 0.95
