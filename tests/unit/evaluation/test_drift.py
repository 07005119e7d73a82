"""Distances between distributions: what they are, what leaves them alone, what is not measured."""

from __future__ import annotations

import math
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.schema import UP_TO_ONE, Distance
from policies.vocabulary import Bins, Histogram
from tasks.evaluation.drift import (
    chi_square,
    cramers_v,
    jensen_shannon,
    kolmogorov_smirnov,
    measure,
    most_moved,
    psi,
    spread,
    wasserstein,
)

EVERY: tuple[Distance, ...] = get_args(Distance)
COUNT = st.integers(0, 5000)
ROWS = st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=8).filter(
    lambda rows: any(a for a, _ in rows) and any(b for _, b in rows)
)
PLACES = st.lists(
    st.tuples(st.integers(-1000, 1000), COUNT, COUNT), min_size=2, max_size=8,
    unique_by=lambda row: row[0],
).filter(lambda rows: sum(a > 0 for _, a, _ in rows) > 1 and any(b for *_, b in rows))  # fmt: skip


def sides(rows: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [a for a, _ in rows], [b for _, b in rows]


def numbers(
    counts: tuple[int, ...], means: tuple[float, ...], missing: int = 0, edges: int = 0
) -> Histogram:
    bins = Bins(column="x", edges=tuple(float(n) for n in range(edges or len(counts) - 1)))
    sums = tuple(mean * n for mean, n in zip(means, counts, strict=True))
    return Histogram(bins=bins, counts=counts, sums=sums, missing=missing)


def texts(counts: tuple[int, ...], missing: int = 0) -> Histogram:
    bins = Bins(column="x", categories=tuple("abcdefgh"[: len(counts) - 1]))
    return Histogram(bins=bins, counts=counts, missing=missing)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [  # shares .5 .5 against .9 .1, and numpy 2.4 / scipy 1.17 for what they have
        (psi, 0.8788898309344877),
        (jensen_shannon, 0.3831358798599423),
        (kolmogorov_smirnov, 0.4),
        (chi_square, 38.095238095238095),
        (cramers_v, 0.4364357804719847),
    ],
)
def test_distances_of_two_pairs_of_counts(measured: object, expected: float) -> None:
    """Worked out by others; ``tests/contract/test_drift_references.py`` asks them again."""
    assert callable(measured)
    assert measured([50, 50], [90, 10]) == pytest.approx(expected, rel=1e-12)


def test_an_empty_bin_is_lifted_to_the_floor() -> None:
    """All of one bin gone to another: 2 (1 - FLOOR) ln(1 / FLOOR), and not infinity."""
    assert psi([7, 0], [0, 9]) == pytest.approx(2 * (1 - 1e-4) * math.log(1e4))
    assert jensen_shannon([7, 0], [0, 9]) == kolmogorov_smirnov([7, 0], [0, 9]) == 1.0
    assert cramers_v([7, 0], [0, 9]) == 1.0


@given(ROWS)
def test_laws_of_counts(rows: list[tuple[int, int]]) -> None:
    """Never negative, the same both ways, zero for the same shares, blind to labels and size."""
    a, b = sides(rows)
    turned = list(reversed(rows))
    for distance in (psi, jensen_shannon, kolmogorov_smirnov, cramers_v, chi_square):
        value = distance(a, b)
        assert value >= 0.0
        assert distance(b, a) == pytest.approx(value, abs=1e-9)
        assert distance(a, [3 * n for n in a]) == pytest.approx(0.0, abs=1e-9)
        assert distance(*sides(turned)) == pytest.approx(value, rel=1e-9, abs=1e-9)
    for bounded in (jensen_shannon, kolmogorov_smirnov, cramers_v):
        assert bounded(a, b) <= 1.0


@given(ROWS, st.randoms(use_true_random=False))
def test_categories_have_no_order(rows: list[tuple[int, int]], chance: Random) -> None:
    """Whatever the categories are called: what knows no order does not change."""
    mixed = list(rows)
    chance.shuffle(mixed)
    for distance in (psi, jensen_shannon, cramers_v, chi_square):
        assert distance(*sides(mixed)) == pytest.approx(distance(*sides(rows)), abs=1e-9)


@given(PLACES, st.integers(-50, 50).map(float), st.sampled_from([0.25, 2.0, 1000.0]))
def test_units_change_only_the_unit(
    rows: list[tuple[int, int, int]], shift: float, unit: float
) -> None:
    """Degrees or kelvins: the distance is told in them, and in the reference's spread it stays."""
    before = [(float(at), a) for at, a, _ in rows if a]
    after = [(float(at), b) for at, _, b in rows if b]
    moved = wasserstein(before, after)
    other = [[(at * unit + shift, n) for at, n in side] for side in (before, after)]
    assert moved >= 0.0
    assert wasserstein(after, before) == pytest.approx(moved, abs=1e-6)
    assert wasserstein(*other) == pytest.approx(moved * unit, rel=1e-9, abs=1e-6)
    assert spread(other[0]) == pytest.approx(spread(before) * unit, rel=1e-9, abs=1e-6)
    assert wasserstein(before, before) == 0.0
    all_moved = [(at + 3.0, n) for at, n in before]
    assert wasserstein(before, all_moved) == pytest.approx(3.0)


@pytest.mark.parametrize("distance", EVERY)
def test_the_same_is_no_drift_and_another_is(distance: Distance) -> None:
    """Of each distance that a policy may name, scaled where it has a unit."""
    before = numbers((40, 30, 30), (0.0, 1.0, 2.0))
    twice = numbers((80, 60, 60), (0.0, 1.0, 2.0))
    after = numbers((30, 30, 40), (0.0, 1.0, 2.0))
    assert measure(distance, before, twice).value == pytest.approx(0.0, abs=1e-9)
    found = measure(distance, before, after)
    assert found.value is not None and 0.05 < found.value < 0.5
    assert (found.rows, found.reference_rows, found.what) == (100, 100, "x")
    assert (found.value <= 1.0) or distance not in UP_TO_ONE


@pytest.mark.parametrize("distance", EVERY)
def test_missing_values_are_a_bin_of_their_own(distance: Distance) -> None:
    """A feed that sends nothing has moved; only the distance in a unit cannot say how far."""
    before, gone = numbers((50, 50), (0.0, 1.0)), numbers((0, 0), (0.0, 0.0), missing=100)
    found = measure(distance, before, gone)
    if distance == "wasserstein":
        assert (found.value, found.told) == (None, "every value is missing")
    else:
        assert found.value is not None and found.value > 0.9
        assert "missing: 0.0% before, 100.0% now" in found.told


@pytest.mark.parametrize("distance", EVERY)
def test_what_cannot_be_measured_has_no_value(distance: Distance) -> None:
    """No rows, nothing in the reference: never a distance of zero."""
    some, none = numbers((50, 50), (0.0, 1.0)), numbers((0, 0), (0.0, 0.0))
    empty = Histogram(bins=Bins(column="x"), counts=(0,), missing=9)
    assert measure(distance, some, none).value is None
    assert measure(distance, empty, empty).value is None
    ordered = distance in ("kolmogorov_smirnov", "wasserstein")
    assert (measure(distance, texts((9, 1, 0)), texts((5, 5, 0))).value is None) is ordered
    with pytest.raises(EvidenceError, match="different bins"):
        measure(distance, some, texts((50, 50)))


def test_a_reference_of_one_value_has_no_spread() -> None:
    """It moved, but nothing says whether that is far; the other distances see it."""
    one, other = (numbers((0, n, m), (0.0, 7.0, 8.0), edges=2) for n, m in ((9, 0), (0, 9)))
    assert measure("wasserstein", one, other).value is None
    assert measure("jensen_shannon", one, other).value == 1.0


def test_a_distribution_without_values_is_refused() -> None:
    """Shares of nothing are no numbers."""
    with pytest.raises(EvidenceError):
        psi([0, 0], [1, 2])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (numbers((50, 50), (0, 1)), numbers((90, 10), (0, 1)), "up to 0: 50.0% before, 90.0% now"),
        (numbers((9, 1, 0), (0, 0.5, 2)), numbers((5, 5, 0), (0, 0.5, 2)), "up to 0: 90.0%"),
        (numbers((0, 9, 1), (0, 0.5, 2)), numbers((0, 0, 10), (0, 0, 2)), "0 to 1: 90.0%"),
        (numbers((0, 9), (0, 9)), numbers((0, 0), (0, 0), missing=3), "missing: 0.0%"),
        (texts((9, 1, 0)), texts((1, 9, 0)), "one value: 90.0% before, 10.0% now"),
        (texts((9, 0)), texts((0, 9)), "one value: 100.0% before"),
    ],
)
def test_what_moved_most_is_told(before: Histogram, after: Histogram, told: str) -> None:
    """By its edges; a text may be about a person, and is not told."""
    assert told in most_moved(before, after)


def test_a_frequent_value_is_told_by_itself() -> None:
    """No reader is shown the number that comes just before zero."""
    bins = Bins(column="rain", edges=(-5e-324, 0.0))
    dry = Histogram(bins=bins, counts=(0, 90, 10), sums=(0.0, 0.0, 9.0))
    wet = Histogram(bins=bins, counts=(0, 40, 60), sums=(0.0, 0.0, 9.0))
    assert most_moved(dry, wet) == "0: 90.0% before, 40.0% now"
