"""Additive summaries: any split of the rows, merged in any order, is the same summary."""

from __future__ import annotations

from collections.abc import Iterable

from policies.vocabulary import Counts, Moments

NO_MOMENTS = Moments(n=0)
NO_COUNTS = Counts(n=0, events=0)


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


def merge_counts(left: Counts, right: Counts) -> Counts:
    return Counts(n=left.n + right.n, events=left.events + right.events)
