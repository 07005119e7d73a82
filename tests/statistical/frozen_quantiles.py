"""Releases judged by a quantile of latency that was estimated before they opened, and then frozen.

The threshold is what the product freezes: counted in logarithmic buckets from the champion's
answers of the days before, as few as it accepts, so it is as wrong as it may be. Late answers are
then drawn from the true distribution beyond it, hour by hour.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.special import ndtr

from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, WindowPair
from tasks.evidence.requests import rates_of
from tasks.telemetry.log_buckets import bucket_of, threshold_of
from tasks.telemetry.ports import LogCounts
from tests.statistical.setting import SETTING

TAIL, PLAN = SETTING.tail, SETTING.release
OPENED = datetime(2024, 5, 1, tzinfo=UTC)
BUDGET = Budget(rollback_alpha=TAIL.alpha, promote_beta=0.05, min_clusters=7)
P99 = Guardrail(
    name="p99", kind="quantile", metric="latency", quantile=TAIL.quantile,
    before_days=TAIL.before_days, unit="request", relative=True, margin=TAIL.margin,
    rollback_at=TAIL.rollback_at, weight=1.0, information=300.0, why="test",
)  # fmt: skip


def frozen_ms(rng: np.random.Generator) -> float:
    """From when on an answer is late, as the opening of a release would record it."""
    hours = 24 * TAIL.before_days
    load = rng.normal(0.0, TAIL.load, hours)[rng.integers(0, hours, TAIL.rows_before)]
    milliseconds = TAIL.median_ms * np.exp(load + rng.normal(0.0, TAIL.spread, TAIL.rows_before))
    buckets = (bucket_of(each) for each in milliseconds.tolist())
    counts = LogCounts(counts=Counter(b for b in buckets if b is not None), unknown=0)
    since = OPENED - timedelta(days=TAIL.before_days)
    return threshold_of(P99, counts, since, OPENED).above


def hours_of(slower: float, above: float, rng: np.random.Generator) -> Iterator[WindowPair]:
    """A release; ``slower``: how many times as long the candidate takes."""
    for hour in range(PLAN.windows):
        step = hour // PLAN.windows_a_step
        n = round(TAIL.rows_a_window * PLAN.shares[step])
        late_at = math.log(above / TAIL.median_ms) - rng.normal(0.0, TAIL.load)
        champion = _late(TAIL.rows_a_window - n, late_at, rng)
        candidate = _late(n, late_at - math.log(slower), rng)
        start = OPENED + timedelta(hours=hour)
        yield WindowPair(start=start, step=f"{step}", champion=champion, candidate=candidate)


def _late(rows: int, late_at: float, rng: np.random.Generator) -> Counts:
    return Counts(n=rows, events=int(rng.binomial(rows, ndtr(-late_at / TAIL.spread))))


def rolled_back(slower: float, runs: int, seed: int, at: float = TAIL.rollback_at) -> float:
    """Share of releases that any look at any hour rolls back; ``at``: the policy's rollback_at."""
    rng, hits = np.random.default_rng(seed), 0
    for _ in range(runs):
        windows = list(hours_of(slower, frozen_ms(rng), rng))
        rates = rates_of(P99, windows, BUDGET)
        assert rates is not None
        hits += bool((rates.log_e_harm(at) >= -math.log(TAIL.alpha)).any())
    return hits / runs
