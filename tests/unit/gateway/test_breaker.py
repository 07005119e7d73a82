"""The circuit breaker: opens on enough bad rows in its window, and never closes by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.breaker import CircuitBreaker
from policies.vocabulary import Breaker

RULES = Breaker(answer_within_ms=500, window_seconds=10, min_rows=20, bad_share=0.5)


def after(*calls: tuple[float, int, int]) -> str | None:
    breaker = CircuitBreaker(RULES)
    for now, rows, bad in calls:
        breaker.count(rows, bad, now)
    return breaker.opened


def test_it_opens_on_enough_rows_of_which_enough_are_bad() -> None:
    """Nineteen failures open nothing, twenty do; half is enough, less is not."""
    assert after((0, 19, 19)) is None
    assert after((0, 19, 19), (1, 1, 0)) is not None
    assert after((0, 40, 19)) is None
    told = after((0, 40, 20))
    assert told == "20 of 40 rows within 10 s had no good answer within 500 ms"


def test_what_has_left_the_window_does_not_count() -> None:
    """Failures of a while ago and of now are not added up; nor do old good rows hide new bad."""
    assert after((0, 15, 15), (10.5, 15, 15)) is None
    assert after((0, 15, 15), (9.5, 15, 15)) is not None
    assert after((0, 1000, 0), (10.5, 20, 20)) is not None


def test_once_open_it_stays_open() -> None:
    """Nothing flaps: good answers that come later change nothing, nor does the reason."""
    breaker = CircuitBreaker(RULES)
    breaker.count(20, 20, 0.0)
    why = breaker.opened
    breaker.count(10_000, 0, 1.0)
    assert breaker.opened == why is not None


CALLS = st.lists(
    st.tuples(st.floats(0, 5), st.integers(1, 30), st.integers(0, 30)).map(
        lambda call: (call[0], call[1], min(call[1], call[2]))
    ),
    max_size=30,
)


@given(CALLS)
def test_it_opens_exactly_when_some_window_is_bad(calls: list[tuple[float, int, int]]) -> None:
    """As a sum over every window says that is computed anew."""
    now, timed = 0.0, []
    for pause, rows, bad in calls:
        now += pause
        timed.append((now, rows, bad))
    expected = False
    for at in range(len(timed)):
        end = timed[at][0]
        seen = [call for call in timed[: at + 1] if call[0] >= end - RULES.window_seconds]
        rows, bad = sum(call[1] for call in seen), sum(call[2] for call in seen)
        expected = expected or (rows >= RULES.min_rows and bad >= RULES.bad_share * rows)
    assert (after(*timed) is not None) == expected
