"""Seeded simulations: how often a release is wrongly rolled back or wrongly passed.

Every release is looked at after each of its days, as the flow does. Rows of a day share its
weather, so a day's mean difference moves far more than its rows would suggest (design effect
about fifty); days resemble their neighbours (autocorrelation 0.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, WindowPair
from tasks.evidence.day_mixture import log_e_above, log_e_below, summarise_days
from tasks.evidence.onset import mixed
from tasks.evidence.sequential import _rates

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
ERRORS = Guardrail(
    name="errors", kind="proportion", metric="error", margin=0.01, rollback_at=0.004,
    weight=0.5, information=500_000, why="test",
)  # fmt: skip
MARGIN, ROLLBACK_AT, INFORMATION = 0.02, 0.008, 15_000.0
DAYS, ROWS, SERVED, DAY_SPREAD = 60, 900, 45, 0.06
THRESHOLD = math.log(20)
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)


def _three_errors(share: float, runs: int) -> float:
    return share + 3 * math.sqrt(share * (1 - share) / runs)


def _day_means(rng: np.random.Generator, effect: float, resemblance: float) -> np.ndarray:
    shocks = rng.normal(size=DAYS)
    for day in range(1, DAYS):
        shocks[day] = resemblance * shocks[day - 1] + math.sqrt(1 - resemblance**2) * shocks[day]
    rows = rng.normal(0.0, 0.25 / math.sqrt(ROWS), size=DAYS)
    return effect + DAY_SPREAD * shocks + rows


def _quality(effect: float, runs: int, resemblance: float = 0.3) -> tuple[float, float]:
    """Shares of releases that were ever rolled back, and that ever passed."""
    rng = np.random.default_rng(20130501)
    harmed = passed = 0
    for _ in range(runs):
        means = _day_means(rng, effect, resemblance).tolist()
        looks = [summarise_days(means[:n], [ROWS] * n, 7) for n in range(1, DAYS + 1)]
        harm = (log_e_above(d, ROLLBACK_AT, INFORMATION, 0.05) for d in looks)
        safe = (log_e_below(d, MARGIN, INFORMATION, 0.05) for d in looks[6:])
        harmed += any(e >= THRESHOLD for e in harm)
        passed += any(e >= THRESHOLD for e in safe)
    return harmed / runs, passed / runs


def test_a_copy_of_the_champion_is_hardly_ever_rolled_back() -> None:
    """No difference in truth: false rollbacks stay below alpha by far."""
    harmed, _ = _quality(0.0, 200)
    assert harmed <= 0.05


def test_harm_at_the_border_is_rolled_back_at_most_alpha() -> None:
    """The hardest case that must not be rolled back: exactly rollback_at, days alike."""
    harmed, _ = _quality(ROLLBACK_AT, 400)
    assert harmed <= _three_errors(0.05, 400)


def test_a_candidate_at_the_margin_passes_at_most_beta() -> None:
    """Exactly as bad as the margin, looked at daily: it passes at most one time in twenty."""
    _, passed = _quality(MARGIN, 400)
    assert passed <= _three_errors(0.05, 400)


def _by_step(effect: float, late: float, runs: int) -> tuple[float, float]:
    """Shares ever rolled back, by all days alone and with each later step by itself; the effect
    changes to ``late`` when the last step begins.
    """
    rng = np.random.default_rng(20130612)
    starts = [14, 21, 26, 31, 40]
    alone = together = 0
    for _ in range(runs):
        means = _day_means(rng, 0.0, 0.3) + np.where(np.arange(DAYS) < starts[-1], effect, late)
        whole = mixture = -math.inf
        for end in range(1, DAYS + 1):
            every, *later = [
                log_e_above(
                    summarise_days(means[first:end].tolist(), [ROWS] * (end - first), 7),
                    ROLLBACK_AT,
                    INFORMATION,
                    0.05,
                )
                for first in [0, *(start for start in starts if start < end)]
            ]
            whole = max(whole, every)
            mixture = max(mixture, mixed(every, later, len(starts)))
        alone += whole >= THRESHOLD
        together += mixture >= THRESHOLD
    return alone / runs, together / runs


def test_looking_at_each_step_by_itself_costs_no_false_alarms() -> None:
    """Exactly rollback_at from the first day to the last: still at most alpha."""
    _, together = _by_step(ROLLBACK_AT, ROLLBACK_AT, 300)
    assert together <= _three_errors(0.05, 300)


def test_harm_that_begins_in_the_soak_is_seen() -> None:
    """Good weeks hide it in the mean of all days; since the soak began it shows."""
    alone, together = _by_step(-0.03, ROLLBACK_AT + 2 * DAY_SPREAD, 100)
    assert together >= 0.85
    assert alone <= 0.1


def test_a_much_worse_candidate_is_caught() -> None:
    """Two day-to-day standard deviations worse: caught nearly always."""
    harmed, passed = _quality(ROLLBACK_AT + 2 * DAY_SPREAD, 100)
    assert harmed >= 0.95
    assert passed == 0.0


@cache
def _counted(base: float, effect: float, runs: int, served: int = SERVED) -> tuple[float, ...]:
    """Shares ever rolled back, ever passed, and the median day of the rollback."""
    rng = np.random.default_rng(20130502)
    harmed, passed = [], 0
    for _ in range(runs):
        windows = list(_windows(rng, base, effect, served))
        found = None
        safe = False
        for n in range(2, DAYS + 1, 3):
            weighed = _rates(ERRORS, windows[:n], BUDGET)
            assert weighed is not None
            safe |= n >= 7 and weighed.log_e_safe(ERRORS.margin) >= THRESHOLD
            if found is None and weighed.log_e_harm(ERRORS.rollback_at) >= THRESHOLD:
                found = n
        harmed.append(found)
        passed += safe
    caught = [day for day in harmed if day is not None]
    return len(caught) / runs, passed / runs, float(np.median(caught)) if caught else math.inf


def _windows(
    rng: np.random.Generator, base: float, effect: float, served: int
) -> Iterator[WindowPair]:
    """The day moves both arms' rates together: fourfold between calm and stormy days."""
    for day in range(DAYS):
        rate = base * rng.choice([0.5, 0.5, 0.5, 1.0, 2.0, 2.0])
        yield WindowPair(
            start=MIDNIGHT + timedelta(days=day),
            step="canary",
            champion=Counts(n=ROWS, events=int(rng.binomial(ROWS, rate))),
            candidate=Counts(n=served, events=int(rng.binomial(served, rate + effect))),
        )


@pytest.mark.slow
@pytest.mark.parametrize("base", [0.002, 0.02])
def test_a_copy_of_the_champion_does_not_fail_more(base: float) -> None:
    """The same failures on the same days: false rollbacks stay below alpha."""
    harmed, _, _ = _counted(base, 0.0, 100)
    assert harmed <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("base", "served"), [(0.002, SERVED), (0.02, SERVED), (0.02, 450)])
def test_failures_at_the_margin_pass_at_most_beta(base: float, served: int) -> None:
    """A hundredth more failures than the champion, by few or many events."""
    _, passed, _ = _counted(base, ERRORS.margin, 150, served)
    assert passed <= _three_errors(0.05, 150)


@pytest.mark.slow
def test_failures_at_the_border_are_rolled_back_at_most_alpha() -> None:
    """Exactly rollback_at more failures, few events: at most one release in twenty."""
    harmed, _, _ = _counted(0.01, ERRORS.rollback_at, 150)
    assert harmed <= _three_errors(0.05, 150)


def test_a_candidate_that_fails_much_more_is_caught() -> None:
    """Six failures in a hundred beside two: caught, and within three weeks of a five per cent
    canary (about 900 candidate rows)."""
    harmed, passed, median_day = _counted(0.02, 0.06, 30)
    assert harmed >= 0.95
    assert passed == 0.0
    assert median_day <= 21


def test_twice_the_failures_are_caught_at_half_the_traffic() -> None:
    """Four failures in a hundred beside two, at fifty per cent of traffic."""
    harmed, _, _ = _counted(0.02, 0.02, 30, 450)
    assert harmed >= 0.9
