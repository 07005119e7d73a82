"""Where bins end: at deciles of the reference, with a bin of its own for what is frequent."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.vocabulary import Bins
from tasks.telemetry.adapters.memory_shapes import bins_of, histogram_of
from tasks.telemetry.bins import edges_of, number_of, quantiles_of

NUMBERS = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_quantiles_are_those_that_databases_take(numbers: list[float]) -> None:
    """Linear between neighbours, from the least to the greatest."""
    found = quantiles_of(numbers)
    inner = quantiles(numbers, n=10, method="inclusive")
    assert found[1:-1] == pytest.approx(inner, rel=1e-9, abs=1e-6)
    assert (found[0], found[-1]) == (min(numbers), max(numbers))


@given(NUMBERS)
def test_edges_grow_and_what_is_frequent_is_alone(numbers: list[float]) -> None:
    """A value of more than a tenth and a bit has a bin that nothing else falls into."""
    edges = edges_of(quantiles_of(numbers))
    assert list(edges) == sorted(set(edges))
    for value, count in Counter(numbers).items():
        if count - 1 > 0.2 * len(numbers):
            mine = bisect_left(edges, value)
            assert {n for n in numbers if bisect_left(edges, n) == mine} == {value}
            assert bisect_left(edges, value - 0.5) != mine != bisect_left(edges, value + 0.5)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.5, 1e300])
def test_a_constant_has_a_bin_and_both_sides_have_theirs(value: float) -> None:
    """A column that had one value shows a move up and a move down."""
    edges = edges_of(quantiles_of([value] * 30))
    assert len(edges) == 2 and edges[1] == value
    places = [bisect_left(edges, x) for x in (value - abs(value) / 2 - 1, value, value * 2 + 9e305)]
    assert places == [0, 1, 2]


@given(NUMBERS, NUMBERS, st.integers(0, 5))
def test_periods_add_up(first: list[float], second: list[float], missing: int) -> None:
    """Two windows counted by the same bins are the counts of both."""
    texts: list[list[str | None]] = [[str(n) for n in part] for part in (first, second)]
    texts[1] += [None] * missing
    bins = bins_of("x", texts[0])
    a, b = (histogram_of(bins, part) for part in texts)
    both = histogram_of(bins, texts[0] + texts[1])
    assert both.counts == tuple(map(sum, zip(a.counts, b.counts, strict=True)))
    assert both.missing == a.missing + b.missing == missing
    assert sum(both.counts) + both.missing == len(first) + len(second) + missing


def test_nothing_carried_has_no_bins() -> None:
    """Neither edges nor categories: nothing can be compared with it."""
    assert bins_of("x", [None, None]) == bins_of("x", []) == Bins(column="x")


@pytest.mark.parametrize(
    ("value", "number"),
    [("7", 7.0), ("-1e3", -1000.0), ("nan", None), ("inf", None), ("true", None), ("", None)],
)
def test_what_reads_as_a_number(value: str, number: float | None) -> None:
    """A number that is none counts as missing, never as a great one."""
    assert number_of(value) == number
