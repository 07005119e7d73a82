"""Recorded releases, many at once: the same counts for every rule that judges them.

A window is a minute of traffic. Every rule sees the release's own shares; a rule that would have
held the weight back (Flagger does after a failed check) is not replayed on traffic it never had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.statistical.setting import Release

Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Streams:
    """Events by run, metric and window. ``control`` are as many champion rows as the candidate
    served, for rules that compare arms of equal size; they are part of ``champion``.
    """

    release: Release
    control: Counts
    champion: Counts
    candidate: Counts
    champion_n: Counts  # by window
    candidate_n: Counts

    @property
    def runs(self) -> int:
        return self.candidate.shape[0]

    @property
    def windows(self) -> int:
        return self.candidate.shape[2]

    @property
    def steps(self) -> Counts:
        return np.arange(self.windows) // self.release.windows_a_step

    @property
    def highest_rates(self) -> NDArray[np.float64]:
        """What the champion's rate rises to: an operator who fits thresholds knows it."""
        return np.asarray(self.release.base_rates) * max(self.release.drifts)


@dataclass(frozen=True)
class Ended:
    """How each run ended: windows served until then, and whether the candidate was promoted."""

    served: Counts
    stopped: Bools
    promoted: Bools


def draw(
    release: Release, ratios: tuple[float, ...], runs: int, rng: np.random.Generator
) -> Streams:
    """``ratios``: the candidate's rate over the champion's, by metric."""
    rates = np.outer(release.base_rates, release.drifts)
    candidate_n = np.asarray(release.candidate_rows)
    champion_n = release.rows_a_window - candidate_n
    shape = (runs, *rates.shape)
    control = rng.binomial(candidate_n, rates, size=shape)
    others = rng.binomial(champion_n - candidate_n, rates, size=shape)
    worse = np.minimum(rates * np.asarray(ratios)[:, None], 1.0)
    candidate = rng.binomial(candidate_n, worse, size=shape)
    return Streams(release, control, control + others, candidate, champion_n, candidate_n)


def first_stop(streams: Streams, stops: Bools, *, windows_late: int = 0) -> Ended:
    """Ends each run at its first True by window; a run without one is promoted at the end."""
    if stops.shape[1] == 0:
        stops = np.zeros((streams.runs, streams.windows), dtype=bool)
    stopped = stops.any(axis=1)
    first = stops.argmax(axis=1) + 1 + windows_late
    served = np.where(stopped, np.minimum(first, streams.windows), streams.windows)
    return Ended(served, stopped, ~stopped)


def exposed(streams: Streams, ended: Ended) -> Counts:
    """The candidate's requests until the end of each run."""
    return np.cumsum(streams.candidate_n)[ended.served - 1]
