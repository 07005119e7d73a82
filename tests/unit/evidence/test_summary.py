"""Summaries add up: any split, any order, the same answer."""

from __future__ import annotations

import math
import statistics
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.vocabulary import Counts, Moments
from tasks.evidence.summary import (
    NO_COUNTS,
    NO_MOMENTS,
    merge_counts,
    merge_moments,
    moments_of,
)

VALUES = st.lists(st.floats(-1e3, 1e3), max_size=30)


def _close(left: Moments, right: Moments) -> bool:
    return (
        left.n == right.n
        and math.isclose(left.mean, right.mean, rel_tol=1e-9, abs_tol=1e-9)
        and math.isclose(left.m2, right.m2, rel_tol=1e-6, abs_tol=1e-6)
    )


def test_nothing_is_the_empty_summary() -> None:
    """No values make the neutral element, not a mean of zero seen once."""
    assert moments_of([]) == NO_MOMENTS == merge_moments(NO_MOMENTS, NO_MOMENTS)


def test_known_values() -> None:
    """Mean and squared deviations are those of the textbook."""
    seen = moments_of([1.0, 2.0, 4.0])
    assert seen.mean == pytest.approx(7 / 3)
    assert seen.m2 / 2 == pytest.approx(statistics.variance([1.0, 2.0, 4.0]))


def test_a_large_mean_does_not_eat_the_variance() -> None:
    """Values around a million keep the variance a sum of squares would lose."""
    seen = reduce(merge_moments, (moments_of([1e9 + d, 1e9 - d]) for d in (0.1, 0.2, 0.3)))
    assert seen.m2 == pytest.approx(2 * (0.01 + 0.04 + 0.09), rel=1e-5)


@given(VALUES, st.data())
def test_any_split_in_any_order_is_the_same_summary(
    values: list[float], data: st.DataObject
) -> None:
    """Rows may be summed in parts of any size, and the parts merged in any order."""
    shuffled = data.draw(st.permutations(values))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=5)))
    edges = [0, *cuts, len(values)]
    parts = [shuffled[a:b] for a, b in pairwise(edges)]
    merged = reduce(merge_moments, map(moments_of, parts), NO_MOMENTS)
    assert _close(merged, moments_of(values))


@given(VALUES, VALUES, VALUES)
def test_merging_commutes_and_associates(a: list[float], b: list[float], c: list[float]) -> None:
    x, y, z = map(moments_of, (a, b, c))
    assert _close(merge_moments(x, y), merge_moments(y, x))
    assert _close(merge_moments(merge_moments(x, y), z), merge_moments(x, merge_moments(y, z)))


def test_counts_add() -> None:
    """Counts of two parts are the counts of the whole."""
    assert merge_counts(Counts(n=3, events=1), Counts(n=4, events=2)) == Counts(n=7, events=3)
    assert merge_counts(NO_COUNTS, Counts(n=4, events=2)) == Counts(n=4, events=2)


@pytest.mark.parametrize("bad", [{"n": -1}, {"n": 1, "mean": math.nan}, {"n": 1, "m2": -0.1}])
def test_impossible_summaries_are_refused(bad: dict[str, float]) -> None:
    """A negative count or variance, or NaN, never becomes a summary."""
    with pytest.raises(ValidationError):
        Moments.model_validate(bad)
