"""Our distances are those that scipy knows under the same names."""

from __future__ import annotations

from random import Random

import pytest
from scipy.spatial import distance
from scipy.stats import chi2_contingency, entropy, ks_2samp, wasserstein_distance
from scipy.stats.contingency import association

from policies.vocabulary import Bins
from tasks.evaluation import drift
from tasks.telemetry.adapters.memory_shapes import bins_of, histogram_of

TABLES = [
    ([50, 50], [90, 10]),
    ([120, 80, 30, 7], [60, 90, 33, 11]),
    ([5000, 1, 300], [17, 200, 3]),
    ([4, 4, 4, 4, 4, 4], [1, 2, 3, 4, 5, 6]),
]


@pytest.mark.parametrize(("before", "after"), TABLES)
def test_counts_against_scipy(before: list[int], after: list[int]) -> None:
    """PSI is the relative entropy both ways, where no bin is near empty."""
    p, q = ([n / sum(side) for n in side] for side in (before, after))
    if min(*p, *q) > drift.FLOOR:
        assert drift.psi(before, after) == pytest.approx(entropy(p, q) + entropy(q, p))
    assert drift.jensen_shannon(before, after) == pytest.approx(
        distance.jensenshannon(p, q, base=2)
    )
    asked = chi2_contingency([before, after], correction=False)
    assert drift.chi_square(before, after) == pytest.approx(asked.statistic)
    assert drift.cramers_v(before, after) == pytest.approx(association([before, after], "cramer"))


@pytest.mark.parametrize("seed", range(5))
def test_places_against_scipy(seed: int) -> None:
    """The widest gap and the area between the shares, of values that are their own bins."""
    chance = Random(seed)
    before = [chance.randint(0, 9) for _ in range(300)]
    after = [chance.randint(0, 9) + chance.randint(0, 3) for _ in range(170)]
    counts = [[side.count(n) for n in range(13)] for side in (before, after)]
    points = [list(enumerate(side)) for side in counts]
    assert drift.kolmogorov_smirnov(*counts) == pytest.approx(ks_2samp(before, after).statistic)
    assert drift.wasserstein(*points) == pytest.approx(wasserstein_distance(before, after))


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("skewed", [False, True])
def test_a_dozen_bins_tell_what_the_values_tell(shift: float, skewed: bool) -> None:
    """Ten thousand values through deciles: KS within .04, the distance moved within a tenth."""
    chance = Random(7)
    draw = (lambda: chance.lognormvariate(0, 1)) if skewed else (lambda: chance.gauss(0, 1))
    before = [draw() for _ in range(10_000)]
    after = [draw() + shift for _ in range(10_000)]
    texts = [[str(value) for value in side] for side in (before, after)]
    bins = bins_of("x", texts[0])
    assert isinstance(bins, Bins)
    seen = [histogram_of(bins, side) for side in texts]
    ks = drift.measure("kolmogorov_smirnov", *seen).value
    exact = ks_2samp(before, after).statistic
    assert ks is not None and ks <= exact + 1e-12 and exact - ks < 0.04
    points = [[(s / n, n) for s, n in zip(h.sums, h.counts, strict=True) if n] for h in seen]
    assert drift.wasserstein(*points) == pytest.approx(
        wasserstein_distance(before, after), rel=0.1, abs=0.05
    )
