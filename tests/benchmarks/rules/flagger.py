"""Flagger's analysis: one counter of failed checks that no good check sets back.

docs.flagger.app/usage/how-it-works: every ``interval`` (default 60 s) all metrics are checked
against their range; ``threshold`` is the number of failed checks at which it rolls back (the page's
example: 10, success rate at least 99 %). In pkg/controller/scheduler.go the counter is compared
at the *start* of a tick, so a rollback comes one interval after the check that filled it; a
failed query or NaN fails the check like a bad value. Only a new revision resets the counter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.streams import Bools, Ended, Streams, first_stop

THRESHOLD = 10
DOCUMENTED_LIMIT = 0.01  # the page's example asks for 99 % success

Numbers = NDArray[np.float64]


def rolls_back(passed: Bools, threshold: int = THRESHOLD) -> Bools:
    """By check (the last axis): has the counter reached the threshold?"""
    return np.asarray(np.cumsum(~passed, axis=-1) >= threshold)


def judge(streams: Streams, limits: Numbers) -> Ended:
    """``limits`` of the error rate by metric, or by run, metric and window."""
    if limits.ndim == 1:
        limits = limits[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        passed = (streams.candidate / streams.candidate_n <= limits).all(axis=1)
    return first_stop(streams, rolls_back(passed), windows_late=1)


def relative_limits(streams: Streams) -> Numbers:
    """The champion's rate in the same minute and the margin on top (a custom metric)."""
    return np.asarray(streams.champion / streams.champion_n * (1 + streams.release.margin))
