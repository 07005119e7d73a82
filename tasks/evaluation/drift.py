"""How far two distributions lie apart, from counts by bin. Sizes of an effect, never p-values.

With enough rows every difference is significant, so nothing here asks whether it is: each
distance has a size that a policy names. All are zero for the same shares and never negative.

| distance             | what it is                                                | at most |
|----------------------|-----------------------------------------------------------|---------|
| `psi`                | Σ (p - q) ln(p / q), shares below ``FLOOR`` lifted to it  | open    |
| `jensen_shannon`     | √ of the mean divergence from the middle, in bits         | 1       |
| `kolmogorov_smirnov` | the widest gap between the cumulative shares              | 1       |
| `wasserstein`        | how far a value has moved, in the reference's own spread  | open    |
| `cramers_v`          | √ (χ² / n) of the table of the two rows of counts         | 1       |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from policies.drift import Drifted
from policies.errors import EvidenceError
from policies.schema import Distance
from policies.vocabulary import Histogram
from tasks.evidence.digest import digest_of

FLOOR = 1e-4  # an empty bin would make PSI infinite; one row in ten thousand is as good as none
Counts = Sequence[int]
Points = Sequence[tuple[float, int]]  # a place on the line, and how many values lie there


def psi(reference: Counts, window: Counts) -> float:
    """Population stability index: Jeffreys' divergence of the shares (Lewis 1994; Jeffreys 1946).

    A bin that one side leaves empty counts for about 9 times the other's share, by the floor.
    """
    pairs = zip(_shares(reference), _shares(window), strict=True)
    lifted = ((max(p, FLOOR), max(q, FLOOR)) for p, q in pairs)
    return math.fsum((p - q) * math.log(p / q) for p, q in lifted)


def jensen_shannon(reference: Counts, window: Counts) -> float:
    """The distance, not the divergence: its square root is a metric (Endres, Schindelin 2003).

    Of base 2, so that 1 means that no value is common.
    """
    pairs = list(zip(_shares(reference), _shares(window), strict=True))
    bits = math.fsum(_bits(p, q) + _bits(q, p) for p, q in pairs) / 2
    return math.sqrt(min(1.0, max(0.0, bits)))


def kolmogorov_smirnov(reference: Counts, window: Counts) -> float:
    """The widest gap at the bins' ends: never more than the gap of the values themselves."""
    gap, widest = 0.0, 0.0
    for p, q in zip(_shares(reference), _shares(window), strict=True):
        gap += p - q
        widest = max(widest, abs(gap))
    return min(1.0, widest)


def chi_square(reference: Counts, window: Counts) -> float:
    """Pearson's statistic of the two rows of counts; it grows with the rows, so it gates nothing.

    Bins that both leave empty are no bins.
    """
    n, m = _sum(reference), _sum(window)
    total = 0.0
    for a, b in zip(reference, window, strict=True):
        if a + b:
            total += (a * m - b * n) ** 2 / (a + b)
    return total / (n * m)


def cramers_v(reference: Counts, window: Counts) -> float:
    """The statistic's size of effect (Cramér 1946); of two rows: √ (χ² / all values).

    1 when no bin is common. The same change is smaller the more the two differ in rows.
    """
    return min(1.0, math.sqrt(chi_square(reference, window) / (_sum(reference) + _sum(window))))


def wasserstein(reference: Points, window: Points) -> float:
    """The area between the cumulative shares: how far a value has moved on average, in its unit.

    Each bin stands for its own mean, so the means of both sides are kept exactly: where all
    moved one way it is the difference of the means, however coarse the bins.
    """
    n, m = _sum([count for _, count in reference]), _sum([count for _, count in window])
    steps = [(at, count / n) for at, count in reference]
    steps += [(at, -count / m) for at, count in window]
    steps.sort()
    gap, area = 0.0, 0.0
    for (at, share), (next_at, _) in pairwise(steps):
        gap += share
        area += abs(gap) * (next_at - at)
    return area


def spread(points: Points) -> float:
    """The standard deviation of the bins' means."""
    n = _sum([count for _, count in points])
    mean = math.fsum(at * count for at, count in points) / n
    return math.sqrt(math.fsum(count * (at - mean) ** 2 for at, count in points) / n)


def measure(distance: Distance, reference: Histogram, window: Histogram) -> Drifted:
    """Missing values are a bin of their own, below all others; ``wasserstein`` leaves them out.

    No value where nothing can be measured: no rows, a reference that carried nothing, an order
    asked of texts, or a spread of a column that had one value.
    """
    if reference.bins != window.bins:
        raise EvidenceError(
            "Two counts by different bins cannot be compared.",
            advice="Count both by the bins of the reference.",
        )
    name = reference.bins.column
    common = {
        "what": "scores" if name is None else name,
        "distance": distance,
        "rows": sum(window.counts) + window.missing,
        "reference_rows": sum(reference.counts) + reference.missing,
        "bins_digest": digest_of([reference.bins.plain()]),
    }
    why = _unmeasurable(distance, reference, window)
    if why is not None:
        return Drifted.model_validate(common | {"told": why})
    value = _DISTANCES[distance](reference, window)
    return Drifted.model_validate(common | {"value": value, "told": most_moved(reference, window)})


def most_moved(reference: Histogram, window: Histogram) -> str:
    """The bin whose share changed most. Texts are not told: they may be about people."""
    before, after = _shares(_all(reference)), _shares(_all(window))
    gaps = [abs(q - p) for p, q in zip(before, after, strict=True)]
    at = gaps.index(max(gaps))
    return f"{_place(reference, at)}: {before[at]:.1%} before, {after[at]:.1%} now"


def _unmeasurable(distance: Distance, reference: Histogram, window: Histogram) -> str | None:
    ordered = distance in ("kolmogorov_smirnov", "wasserstein")
    if not sum(reference.counts):
        return "nothing in the reference"
    if not sum(window.counts) + window.missing:
        return "no rows"
    if ordered and not reference.bins.edges:
        return f"no numbers, and {distance} needs an order"
    if distance == "wasserstein" and not sum(window.counts):
        return "every value is missing"
    if distance == "wasserstein" and len(_points(reference)) < 2:
        return "the reference has no spread to measure by"
    return None


def _scaled(reference: Histogram, window: Histogram) -> float:
    before = _points(reference)
    return wasserstein(before, _points(window)) / spread(before)


def _of(measured: Callable[[Counts, Counts], float]) -> Callable[[Histogram, Histogram], float]:
    return lambda reference, window: measured(_all(reference), _all(window))


_DISTANCES: Mapping[Distance, Callable[[Histogram, Histogram], float]] = MappingProxyType(
    {
        "psi": _of(psi),
        "jensen_shannon": _of(jensen_shannon),
        "kolmogorov_smirnov": _of(kolmogorov_smirnov),
        "wasserstein": _scaled,
        "cramers_v": _of(cramers_v),
    }
)


def _all(seen: Histogram) -> Counts:
    return (seen.missing, *seen.counts)


def _points(seen: Histogram) -> Points:
    return [(s / n, n) for s, n in zip(seen.sums, seen.counts, strict=True) if n]


def _place(seen: Histogram, at: int) -> str:
    edges, bin_number = seen.bins.edges, at - 1
    if at == 0:
        return "missing"
    if not edges:
        return "one value" if bin_number < len(seen.bins.categories) else "other values"
    if bin_number == 0:
        return f"up to {edges[0]:.4g}"
    if bin_number == len(edges):
        return f"above {edges[-1]:.4g}"
    low, high = edges[bin_number - 1], edges[bin_number]
    alone = math.nextafter(high, -math.inf) == low  # a frequent value has a bin of its own
    return f"{high:.4g}" if alone else f"{low:.4g} to {high:.4g}"


def _bits(p: float, q: float) -> float:
    return p * math.log2(2 * p / (p + q)) if p else 0.0


def _shares(counts: Counts) -> list[float]:
    total = _sum(counts)
    return [count / total for count in counts]


def _sum(counts: Counts) -> int:
    if any(count < 0 for count in counts) or not sum(counts):
        raise EvidenceError(
            "A distribution without values cannot be compared.", advice="Wait for traffic."
        )
    return sum(counts)
