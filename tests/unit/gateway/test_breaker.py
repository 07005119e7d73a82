"""The circuit breaker: opens on enough bad rows in its window, and never closes by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.breaker import CircuitBreaker
from policies.vocabulary import Breaker

RULES = Breaker(answer_within_ms=500, rows=20, bad_share=0.5, window_seconds=10)


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
    assert after((0, 40, 20)) == "20 of the last 40 rows had no good answer within 500 ms"


def test_only_the_latest_rows_count() -> None:
    """A thousand good answers just before do not hide that the last ones are bad."""
    good = [(0.001 * n, 1, 0) for n in range(1000)]
    assert after(*good, *((1.0, 1, 1) for _ in range(9))) is None
    assert after(*good, *((1.0, 1, 1) for _ in range(10))) is not None
    assert after((0, 9, 9), *good) is None


def test_what_has_left_the_window_does_not_count() -> None:
    """Failures of a while ago and of now are not added up."""
    assert after((0, 15, 15), (10.5, 15, 15)) is None
    assert after((0, 15, 15), (9.5, 15, 15)) is not None


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
def test_it_opens_exactly_when_the_latest_calls_are_bad(
    calls: list[tuple[float, int, int]],
) -> None:
    """As the fewest latest calls say that hold enough rows, summed anew after each."""
    now, timed, expected = 0.0, [], False
    for pause, rows, bad in calls:
        now += pause
        timed.append((now, rows, bad))
        seen = [0, 0]
        for when, more, worse in reversed(timed):
            if when < now - RULES.window_seconds or seen[0] >= RULES.rows:
                break
            seen = [seen[0] + more, seen[1] + worse]
        expected = expected or (seen[0] >= RULES.rows and seen[1] >= RULES.bad_share * seen[0])
    assert (after(*timed) is not None) == expected
