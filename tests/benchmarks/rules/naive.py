"""A z test of all rows so far, repeated at every look as if it were the only one."""

from __future__ import annotations

import numpy as np

from tests.benchmarks.streams import Ended, Streams, first_stop

Z = 1.6448536269514722  # one-sided, .05


def judge(streams: Streams) -> Ended:
    n = np.cumsum(streams.candidate_n)
    a = np.cumsum(streams.control, axis=2) / n
    b = np.cumsum(streams.candidate, axis=2) / n
    both = (a + b) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (b - a) / np.sqrt(both * (1 - both) * 2 / n)
    return first_stop(streams, (z > Z).any(axis=1))
