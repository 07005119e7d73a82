"""The circuit breaker: opens on enough bad rows in its window, and never closes by itself."""

from __future__ import annotations

from fractions import Fraction

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


def each(rows: int, bad: int, now: float = 0.0) -> list[tuple[float, int, int]]:
    """Calls of one row, the good ones first."""
    return [(now, 1, int(number >= rows - bad)) for number in range(rows)]


def test_it_opens_on_enough_rows_of_which_enough_are_bad() -> None:
    """Nineteen failures open nothing, twenty do; half is enough, less is not."""
    assert after(*each(19, 19)) is None
    assert after(*each(20, 20)) is not None
    assert after(*each(20, 9)) is None
    told = after(*each(20, 10))
    assert told == "50% of the last 20 calls had no good answer within 500 ms"


def test_only_the_latest_rows_count() -> None:
    """A thousand good answers just before do not hide that the last ones are bad."""
    good = each(1000, 0)
    assert after(*good, *each(9, 9, 1.0)) is None
    assert after(*good, *each(10, 10, 1.0)) is not None
    assert after(*each(9, 9), *good) is None


def test_one_large_request_opens_nothing() -> None:
    """It counts for a quarter of the rows, however many it had."""
    assert after(*each(100, 0), (1.0, 3000, 3000)) is None
    assert after((0, 3000, 3000), (1, 3000, 3000), (2, 3000, 3000)) is None
    assert after(*((n, 3000, 3000) for n in range(4))) is not None


def test_what_has_left_the_window_does_not_count() -> None:
    """Failures of a while ago and of now are not added up."""
    assert after(*each(15, 15), *each(15, 15, 10.5)) is None
    assert after(*each(15, 15), *each(15, 15, 9.5)) is not None


def test_once_open_it_stays_open() -> None:
    """Nothing flaps: good answers that come later change nothing, nor does the reason."""
    breaker = CircuitBreaker(RULES)
    for now, rows, bad in each(20, 20):
        breaker.count(rows, bad, now)
    why = breaker.opened
    for now, rows, bad in each(1000, 0, 1.0):
        breaker.count(rows, bad, now)
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
        counted = min(rows, 5)
        timed.append((now, counted, Fraction(counted * bad, rows)))
        seen, worse = 0, Fraction(0)
        for when, more, of_them in reversed(timed):
            if when < now - RULES.window_seconds or seen >= RULES.rows:
                break
            seen, worse = seen + more, worse + of_them
        expected = expected or (seen >= RULES.rows and 2 * worse >= seen)
    given_ = [
        (sum(c[0] for c in calls[: n + 1]), rows, bad) for n, (_, rows, bad) in enumerate(calls)
    ]
    assert (after(*given_) is not None) == expected
