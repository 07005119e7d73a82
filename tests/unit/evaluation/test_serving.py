"""Latency, memory and failed answers on the serving path."""

from __future__ import annotations

import math

import pytest

from policies.errors import EvidenceError
from policies.schema import ServingCheck
from tasks.evaluation.serving import error_check, latency_check, memory_check

RULES = ServingCheck(latency_ratio=2.0, latency_floor_ms=5.0, memory_mb=512)


def test_what_was_not_measured_is_scarce() -> None:
    """No timings, no memory, no rows: never a pass."""
    assert latency_check(RULES, [], [1.0]).status == "scarce"
    assert latency_check(RULES, [1.0], []).status == "scarce"
    assert memory_check(RULES, None).status == "scarce"
    assert error_check(0, 0).status == "scarce"


@pytest.mark.parametrize(
    ("champion", "candidate", "ratio"),
    [
        ([10, 10, 10], [30, 30, 30], 3.0),
        ([1, 1, 1], [4, 4, 4], 1.0),  # both below the floor
        ([1, 1, 1], [10, 10, 10], 2.0),  # held against the floor
        ([10, 10, 10], [10, 10, 900], 1.0),  # one slow call is not the median
    ],
)
def test_latency_is_a_floored_ratio_of_medians(
    champion: list[float], candidate: list[float], ratio: float
) -> None:
    """Two models nobody can tell apart have a ratio of one, and one hiccup does not count."""
    assert latency_check(RULES, champion, candidate).effect == pytest.approx(ratio)


def test_a_ratio_against_the_floor_says_so() -> None:
    """Who reads 10.00 ms, 1.00 ms and "2 times" is told why it is not ten."""
    assert "1.00 ms; less than 5 ms counts as 5." in latency_check(RULES, [1], [10]).detail
    assert "counts" not in latency_check(RULES, [10], [30]).detail


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_an_impossible_latency_is_an_error(bad: float) -> None:
    """A broken timer is no evidence."""
    with pytest.raises(EvidenceError):
        latency_check(RULES, [1.0], [bad])


@pytest.mark.parametrize("bad", [math.nan, 0.0, -1.0])
def test_an_impossible_memory_is_an_error(bad: float) -> None:
    """A process that uses no memory was not measured."""
    with pytest.raises(EvidenceError):
        memory_check(RULES, bad)


def test_memory_and_errors_carry_their_limits() -> None:
    """The policy's figure is the limit; not one sample row may fail."""
    assert (memory_check(RULES, 700).effect, memory_check(RULES, 700).limit) == (700, 512)
    assert (error_check(1, 200).effect, error_check(1, 200).limit) == (1.0, 0.0)


def test_impossible_counts_are_an_error() -> None:
    """Less than nothing means the count is broken; timed calls may add errors to the rows'."""
    with pytest.raises(EvidenceError):
        error_check(-1, 2)
    assert error_check(3, 2).effect == 3.0


def test_the_reasons_of_failed_answers_are_told_once_and_without_values() -> None:
    """What a model quotes of a row may be about a person."""
    found = error_check(9, 10, ["ValueError: 'Ann Lee' is no number", 'KeyError: "Ann"', "x", "x"])
    assert found.detail == "ValueError: … is no number; KeyError: …; x"
