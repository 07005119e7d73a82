"""Rare events: the e-values are exact, by adding up every possible outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.vocabulary import Counts
from tasks.evidence.count_mixture import (
    NEVER_BETS,
    CountWindow,
    _project,
    log_e_count_above,
    log_e_count_below,
)

LogE = Callable[[Sequence[CountWindow], float, float], float]


def _window(xa: int, na: int, xb: int, nb: int, before: tuple[int, int] = (0, 0)) -> CountWindow:
    return CountWindow(
        champion=Counts(n=na, events=xa),
        candidate=Counts(n=nb, events=xb),
        before=Counts(n=before[1], events=before[0]),
    )


def _probability(x: int, n: int, p: float) -> float:
    return math.comb(n, x) * p**x * (1 - p) ** (n - x)


def _expected(log_e: LogE, pa: float, pb: float, bound: float, before: tuple[int, int]) -> float:
    na, nb = 4, 3
    return sum(
        _probability(xa, na, pa)
        * _probability(xb, nb, pb)
        * math.exp(log_e([_window(xa, na, xb, nb, before)], bound, 0.05))
        for xa in range(na + 1)
        for xb in range(nb + 1)
    )


def test_no_windows_are_no_evidence() -> None:
    """Without a window both e-values are one."""
    assert log_e_count_above([], 0.01, 0.05) == 0.0 == log_e_count_below([], 0.01, 0.05)


@settings(max_examples=settings.default.max_examples // 3, deadline=None)
@given(
    st.floats(0.0, 0.95),
    st.floats(0.0, 1.0),
    st.sampled_from([(0, 0), (0, 50), (3, 60), (30, 60)]),
)
def test_expectation_under_no_harm_is_at_most_one(
    pa: float, share: float, before: tuple[int, int]
) -> None:
    """Whatever the rates, as long as the candidate is within the bound, harm cannot profit."""
    pb = (pa + 0.04) * share
    assert _expected(log_e_count_above, pa, pb, 0.04, before) <= 1 + 1e-9


@settings(max_examples=settings.default.max_examples // 3, deadline=None)
@given(
    st.floats(0.0, 0.9),
    st.floats(0.0, 1.0),
    st.sampled_from([(0, 0), (0, 50), (3, 60), (30, 60)]),
)
def test_expectation_beyond_the_margin_is_at_most_one(
    pa: float, share: float, before: tuple[int, int]
) -> None:
    """Whatever the rates, as long as the candidate is beyond the margin, safety cannot profit."""
    pb = pa + 0.1 + (0.9 - pa) * share
    assert _expected(log_e_count_below, pa, pb, 0.1, before) <= 1 + 1e-9


@pytest.mark.parametrize(("chosen", "bound"), [(0.3, 0.04), (0.9, 0.04), (0.02, 0.1), (0.05, 0.1)])
def test_the_border_point_is_the_worst_case(chosen: float, bound: float) -> None:
    """Along the whole border no pair of rates makes the likelihood ratio profitable."""
    import numpy as np

    base, na, nb = 0.05, 90.0, 9.0
    cells = (np.array([[value]]) for value in (base, chosen, na, nb))
    p = float(_project(*cells, bound)[0, 0])
    q = p + bound
    for step in range(100):
        pa = (1.0 - bound) * step / 99
        champion = 1 + (pa - p) * (base - p) / (p * (1 - p))
        candidate = 1 + (pa + bound - q) * (chosen - q) / (q * (1 - q))
        assert champion > 0 and candidate > 0
        assert na * math.log(champion) + nb * math.log(candidate) <= 1e-9


def test_silence_becomes_proof_as_rows_gather() -> None:
    """No event in either arm: safety within a hundredth is provable, slowly, never at once."""
    days = [_window(0, 900, 0, 45, (0, 900 * day)) for day in range(12)]
    path = [log_e_count_below(days[: n + 1], 0.01, 0.01) for n in range(12)]
    assert path == sorted(path)
    assert path[1] < math.log(20) <= path[-1]


def test_a_candidate_that_fails_every_request_is_found_at_once() -> None:
    """Eight failures of eight, with a champion that fails one in a hundred."""
    assert log_e_count_above([_window(9, 900, 8, 8)], 0.004, 0.01) > math.log(1000)


def test_one_strange_day_costs_at_most_the_share_that_bets() -> None:
    """A common outage cannot wipe out all evidence to come."""
    outage = [_window(300_000, 1_000_000, 300_000, 1_000_000, (100, 1_000_000))]
    for log_e in (log_e_count_above, log_e_count_below):
        assert log_e(outage, 0.01, 0.01) >= math.log(NEVER_BETS) - 1e-9


@pytest.mark.parametrize("bound", [-0.9, -0.2, 0.0, 0.5, 0.98])
def test_any_bound_has_an_answer(bound: float) -> None:
    """The interval is found by trying bounds far out: all of them are finite."""
    for window in (_window(0, 9, 0, 4), _window(9, 9, 0, 4), _window(0, 9, 4, 4)):
        assert math.isfinite(log_e_count_above([window], bound, 0.01))
        assert math.isfinite(log_e_count_below([window], bound, 0.01))


@given(st.integers(0, 39), st.integers(0, 900))
def test_one_more_event_is_never_less_harm(events: int, champion: int) -> None:
    """More candidate failures never lower the evidence of harm."""
    fewer, more = (log_e_count_above([_window(champion, 900, x, 40)], 0.0, 0.01)
                   for x in (events, events + 1))  # fmt: skip
    assert more >= fewer - 1e-9
