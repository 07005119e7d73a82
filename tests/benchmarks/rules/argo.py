"""Argo Rollouts' background analysis: a threshold, and how often it may be missed.

argo-rollouts docs/features/analysis.md: ``successCondition``, measured every ``interval``; a
metric fails when *more* measurements failed than ``failureLimit``, in total, not in a row. The
default is 0; the page's own example allows 3 and measures five minutes every five minutes (its
prose speaks of the third failure, the code stops at the fourth). A measurement that could not be
made is an error; more than ``consecutiveErrorLimit`` (default 4) in a row end the metric too. One
metric ends the run, and the rollout aborts. When its steps are done the analysis is terminated,
and what is terminated counts as successful (``assessMetricStatus`` in analysis/analysis.go). NaN
is no error: the condition is just not true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.streams import Bools, Ended, Streams, first_stop

FAILURE_LIMIT = 3
CONSECUTIVE_ERROR_LIMIT = 4
INTERVAL = 5  # windows: the query's range and the time between measurements
DOCUMENTED_LIMIT = 0.05  # the page's example asks for 95 % success

Numbers = NDArray[np.float64]


def aborts(
    measured: Numbers,
    limit: Numbers | float,
    *,
    failure_limit: int = FAILURE_LIMIT,
    errors: Bools | None = None,
    error_limit: int = CONSECUTIVE_ERROR_LIMIT,
) -> Bools:
    """By measurement (the last axis): has the metric failed or erred by now?"""
    if errors is None:
        errors = np.zeros(measured.shape, dtype=bool)
    failed = ~errors & ~(measured <= limit)
    return np.asarray(
        (np.cumsum(failed, axis=-1) > failure_limit) | (_in_a_row(errors) > error_limit)
    )


def judge(streams: Streams, limits: Numbers) -> Ended:
    """``limits`` of the error rate by metric, or by run, metric and measurement."""
    if limits.ndim == 1:
        limits = limits[:, None]
    aborted = aborts(by_interval(streams.candidate, streams.candidate_n), limits)
    stops = np.zeros((streams.runs, streams.windows), dtype=bool)
    stops[:, INTERVAL - 1 :: INTERVAL] = aborted.any(axis=1)
    return first_stop(streams, stops)


def relative_limits(streams: Streams) -> Numbers:
    """The champion's rate in the same minutes and the margin on top: a query of both services."""
    return by_interval(streams.champion, streams.champion_n) * (1 + streams.release.margin)


def by_interval(events: NDArray[np.int64], rows: NDArray[np.int64]) -> Numbers:
    """The error rate of each interval."""
    whole = events.shape[-1] // INTERVAL * INTERVAL
    summed = events[..., :whole].reshape(*events.shape[:-1], -1, INTERVAL).sum(axis=-1)
    return np.asarray(summed / rows[:whole].reshape(-1, INTERVAL).sum(axis=-1))


def _in_a_row(errors: Bools) -> NDArray[np.int64]:
    count = np.cumsum(errors, axis=-1)
    before = np.maximum.accumulate(np.where(errors, 0, count), axis=-1)
    return np.asarray(count - before)
