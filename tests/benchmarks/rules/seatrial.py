"""Seatrial's rule for independent rows, by the functions that judge a release.

Harm is weighed against "at most 1 + rollback_at times the champion's rate", safety against "at
least 1 + margin times"; the mean of the guardrails' e-values for harm stops a release at any
window, and every guardrail has to be safe at the end. What is neither is held: it is not promoted.
"""

from __future__ import annotations

import math

import numpy as np

from tasks.evidence.rates import Rates
from tests.benchmarks.streams import Ended, Streams


def judge(streams: Streams) -> Ended:
    release = streams.release
    rates = _rates(streams)
    harm = rates.log_e_harm(release.rollback_at)
    mean = np.logaddexp.reduce(harm, axis=1) - math.log(harm.shape[1])
    stops = mean >= -math.log(release.alpha)
    stopped = stops.any(axis=1)
    safe = rates.log_e_safe(release.margin)[..., -1]
    return Ended(
        served=np.where(stopped, stops.argmax(axis=1) + 1, streams.windows),
        stopped=stopped,
        promoted=~stopped & (safe >= -math.log(release.beta)).all(axis=1),
    )


def _rates(streams: Streams) -> Rates:
    release = streams.release
    champion_n, candidate_n = streams.champion_n.astype(float), streams.candidate_n.astype(float)
    known = np.asarray(release.base_rates)[:, None]
    weight = (champion_n * candidate_n / np.maximum(champion_n + candidate_n, 1)).sum()
    return Rates.of(
        streams.steps,
        champion_n,
        streams.champion.astype(float),
        candidate_n,
        streams.candidate.astype(float),
        planned=weight * known * (1 - known),
        alpha=release.alpha,
        beta=release.beta,
    )
