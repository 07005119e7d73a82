"""The calculation behind the flights' drift levels: windows, references and what is broken."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.demo.drift import Case, drifts


def test_each_window_is_compared_with_the_days_before_it() -> None:
    """Twelve days, two against four: seven values; the same world moves little, another far."""
    chance = np.random.default_rng(7)
    days = [chance.beta(2, 5, 900) for _ in range(12)]
    broken = [day + 0.3 for day in days]
    healthy = drifts(Case("healthy", days, days), 2, 4)
    moved = drifts(Case("moved", days, broken), 2, 4)
    for distance, values in healthy.items():
        assert len(values) == len(moved[distance]) == 7
        assert max(values) < 0.15 < min(moved[distance])
    spread = float(np.std(np.concatenate(days)))
    assert moved["wasserstein"] == pytest.approx([0.3 / spread] * 7, rel=0.15)
