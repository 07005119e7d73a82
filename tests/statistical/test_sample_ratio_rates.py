"""Seeded simulations of the split: how often a fair one alarms, and how soon a broken one does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.evidence.sample_ratio import ALARM, log_e_split

LIMIT = math.log(1.0 / ALARM)
UNITS = 400
RUNS = 20_000


def _alarms(asked: float, given: float, seed: int) -> tuple[float, float]:
    """Share of releases with an alarm, and the median unit of it; a look after every unit."""
    table = np.full((UNITS + 1, UNITS + 1), -math.inf)
    for n in range(1, UNITS + 1):
        for candidate in range(n + 1):
            table[n, candidate] = log_e_split(n - candidate, candidate, asked)
    rng = np.random.default_rng(seed)
    candidates = np.cumsum(rng.random((RUNS, UNITS)) < given, axis=1)
    crossed = table[np.arange(1, UNITS + 1), candidates] >= LIMIT
    found = crossed.any(axis=1)
    first = np.median(crossed.argmax(axis=1)[found] + 1) if found.any() else math.inf
    return float(found.mean()), float(first)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_fair_split_alarms_in_one_release_of_a_thousand(share: float) -> None:
    """Looked at after each of 400 units; three standard errors of 20,000 releases are .0007."""
    alarms, _ = _alarms(share, share, seed=11)
    print(f"share {share}: {alarms:.5f}")
    assert alarms <= ALARM + 0.0007


@pytest.mark.slow
def test_a_leak_is_found_within_hundreds_of_units() -> None:
    """A third of the candidate's units that never reach it, at half and half."""
    alarms, units = _alarms(0.5, 1 / 3, seed=12)
    print(f"found in {alarms:.4f}, after {units:.0f} units")
    assert alarms >= 0.97 and units <= 220
