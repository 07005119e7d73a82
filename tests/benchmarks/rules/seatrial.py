"""Seatrial's rule for independent rows: two e-processes a guardrail, looked at in every window.

Differences are taken within a window and then summed, never pooled over windows. Harm is weighed
against "at most 1 + rollback_at times the champion's rate", proof of safety against "at least
1 + margin times"; the guardrails' e-values for harm are averaged, and every one has to be safe.
What is neither stopped nor proven safe at the end is held: it is not promoted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from tests.benchmarks.streams import Ended, Streams

Numbers = NDArray[np.float64]


def judge(streams: Streams) -> Ended:
    release = streams.release
    harm = _log_e(streams, 1 + release.rollback_at, 1, release.alpha)
    stops = _mean(harm) >= -math.log(release.alpha)
    stopped = stops.any(axis=1)
    safe = _log_e(streams, 1 + release.margin, -1, release.beta)[:, :, -1]
    return Ended(
        served=np.where(stopped, stops.argmax(axis=1) + 1, streams.windows),
        stopped=stopped,
        promoted=~stopped & (safe >= -math.log(release.beta)).all(axis=1),
    )


def _mean(log_e: Numbers) -> Numbers:
    """Of the guardrails' e-values, each with the same weight."""
    return np.asarray(np.logaddexp.reduce(log_e, axis=1) - math.log(log_e.shape[1]))


def _log_e(streams: Streams, ratio: float, sign: int, error: float) -> Numbers:
    """Against the candidate's rate being ``ratio`` times the champion's, by window: above it
    (sign 1) or below it (-1). The mean of mixtures tuned for several shares of the information.
    """
    sums, variances = _sums(streams, ratio)
    planned = _planned(streams, ratio)
    scales = streams.release.scales
    total = np.full(sums.shape, -np.inf)
    for scale in scales:
        rho2 = _rho2_for(planned * scale, error)[:, None]
        total = np.logaddexp(total, _mixture(sign * sums, variances, rho2))
    return total - math.log(len(scales))


def _sums(streams: Streams, ratio: float) -> tuple[Numbers, Numbers]:
    """Weighted differences and their variances, summed over the windows so far."""
    a, b = streams.champion_n, streams.candidate_n
    weight = a * b / (a + b)
    difference = streams.candidate / b - ratio * streams.champion / a
    rate = _rate_of_step(streams)
    variance = rate * (1 - rate) * weight**2 * (1 / b + ratio**2 / a)
    return np.cumsum(weight * difference, axis=2), np.cumsum(variance, axis=2)


def _rate_of_step(streams: Streams) -> Numbers:
    """Both arms' rate since the step began: one window alone is often without an event."""
    by_step = (*streams.candidate.shape[:2], -1, streams.release.windows_a_step)
    events = (streams.champion + streams.candidate).reshape(by_step).cumsum(axis=3)
    rows = (streams.champion_n + streams.candidate_n).reshape(by_step[2:]).cumsum(axis=1)
    return np.asarray((events / rows).reshape(streams.candidate.shape))


def _planned(streams: Streams, ratio: float) -> Numbers:
    """The variance by the end of the release at the rates known before it."""
    a, b = streams.champion_n, streams.candidate_n
    rates = np.asarray(streams.release.base_rates)
    shape = float(((a * b / (a + b)) ** 2 * (1 / b + ratio**2 / a)).sum())
    return rates * (1 - rates) * shape


def _mixture(sums: Numbers, variances: Numbers, rho2: Numbers) -> Numbers:
    spread = 1 + rho2 * variances
    tail = log_ndtr(np.sqrt(rho2 / spread) * sums)
    return np.asarray(math.log(2) - np.log(spread) / 2 + rho2 * sums**2 / (2 * spread) + tail)


def _rho2_for(sharp_at: Numbers, error: float) -> Numbers:
    log_a = math.log(2 * error)
    return (-2 * log_a + math.log(1 - 2 * log_a)) / sharp_at
