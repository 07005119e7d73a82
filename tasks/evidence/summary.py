"""Additive summaries: any split of the rows, merged in any order, is the same summary."""

from __future__ import annotations

from collections.abc import Iterable

from policies.errors import EvidenceError
from policies.vocabulary import Counts, Moments, PairMoments

NO_MOMENTS = Moments(n=0)
NO_PAIRS = PairMoments(n=0)
NO_COUNTS = Counts(n=0, events=0)
ROUNDING = 1e-9  # of sums of squares, relative


def moments_of(values: Iterable[float]) -> Moments:
    """Count, mean and squared deviations of some values, in one pass (Welford 1962)."""
    n, mean, m2 = 0, 0.0, 0.0
    for value in values:
        n += 1
        step = value - mean
        mean += step / n
        m2 += step * (value - mean)
    return Moments(n=n, mean=mean, m2=max(m2, 0.0))


def merge_moments(left: Moments, right: Moments) -> Moments:
    """Both together (Chan, Golub and LeVeque 1979): never through a sum of squares.

    A sum of squares in float64 loses the variance when the mean is large beside it.
    """
    n = left.n + right.n
    if n == 0:
        return NO_MOMENTS
    gap = right.mean - left.mean
    return Moments(
        n=n,
        mean=left.mean + gap * (right.n / n),
        m2=left.m2 + right.m2 + gap * gap * (left.n * right.n / n),
    )


def pairs_of(values: Iterable[tuple[float, float]]) -> PairMoments:
    """Of ``(x, y)`` of each unit, in one pass."""
    n, mean_x, mean_y, m2_x, m2_y, c_xy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x, y in values:
        n += 1
        step_x, step_y = x - mean_x, y - mean_y
        mean_x += step_x / n
        mean_y += step_y / n
        m2_x += step_x * (x - mean_x)
        m2_y += step_y * (y - mean_y)
        c_xy += step_x * (y - mean_y)
    return PairMoments(
        n=n, mean_x=mean_x, mean_y=mean_y, m2_x=max(m2_x, 0.0), m2_y=max(m2_y, 0.0), c_xy=c_xy
    )


def merge_pairs(left: PairMoments, right: PairMoments) -> PairMoments:
    """Both together, as ``merge_moments``; the product of deviations likewise."""
    n = left.n + right.n
    if n == 0:
        return NO_PAIRS
    share, size = right.n / n, left.n * right.n / n
    gap_x, gap_y = right.mean_x - left.mean_x, right.mean_y - left.mean_y
    return PairMoments(
        n=n,
        mean_x=left.mean_x + gap_x * share,
        mean_y=left.mean_y + gap_y * share,
        m2_x=left.m2_x + right.m2_x + gap_x * gap_x * size,
        m2_y=left.m2_y + right.m2_y + gap_y * gap_y * size,
        c_xy=left.c_xy + right.c_xy + gap_x * gap_y * size,
    )


def subtract_moments(whole: Moments, part: Moments) -> Moments:
    """What is left of ``whole`` without ``part``: ``merge_moments`` read backwards.

    ``EvidenceError`` where ``part`` cannot have been in ``whole``. Rounding may leave a trace of
    squared deviations below zero: that is none.
    """
    n = whole.n - part.n
    if n < 0:
        raise EvidenceError(f"A group has {part.n} rows, more than the {whole.n} of all groups.")
    if n == 0:
        return NO_MOMENTS
    mean = whole.mean + (whole.mean - part.mean) * (part.n / n)
    gap = part.mean - mean
    m2 = whole.m2 - part.m2 - gap * gap * (part.n * n / whole.n)
    scale = whole.m2 + whole.n * whole.mean * whole.mean
    if m2 < -ROUNDING * scale:
        raise EvidenceError("A group's rows scatter more than those of all groups together.")
    return Moments(n=n, mean=mean, m2=max(m2, 0.0))


def merge_counts(left: Counts, right: Counts) -> Counts:
    return Counts(n=left.n + right.n, events=left.events + right.events)
