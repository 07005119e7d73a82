"""A caller's rate: never more than promised, never less, and nobody pays for anybody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.control.limits import _MOST_CALLERS, Bucket, Rate

PAUSES = st.lists(st.floats(0, 3), min_size=1, max_size=60)
RATES = st.builds(Rate, st.floats(0.5, 20), st.integers(1, 10))


class Hands:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_taken_and_what_comes_after_it_is_told_how_long_to_wait() -> None:
    clock = Hands()
    bucket = Bucket(Rate(2, 3), clock)
    assert [bucket.wait("ann") for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    clock.now += 0.5
    assert [bucket.wait("ann"), bucket.wait("ann")] == [0, 0.5]
    clock.now += 60
    assert [bucket.wait("ann") for _ in range(4)] == [0, 0, 0, 0.5]


def test_nobody_pays_for_another() -> None:
    bucket = Bucket(Rate(1, 1), Hands())
    assert bucket.wait("ann") == 0
    assert bucket.wait("ann") > 0
    assert bucket.wait("bob") == 0


@given(RATES, PAUSES)
def test_no_stretch_of_time_sees_more_than_its_rate_and_one_burst(
    rate: Rate, pauses: list[float]
) -> None:
    """Whatever the calls' times; and whoever waits as long as told is taken."""
    clock, taken = Hands(), []
    bucket = Bucket(rate, clock)
    for pause in pauses:
        clock.now += pause
        if wait := bucket.wait("ann"):
            clock.now += wait + 1e-9
            assert bucket.wait("ann") == 0
        taken.append(clock.now)
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            most = rate.burst + rate.per_second * (taken[last] - start)
            assert last - first + 1 <= most + 1e-6


def test_callers_that_come_and_go_take_no_memory() -> None:
    """The one longest silent is forgotten first."""
    bucket = Bucket(Rate(1, 1), Hands())
    for caller in range(_MOST_CALLERS):
        bucket.wait(caller)
    assert bucket.wait(0) > 0
    bucket.wait("one more")
    assert (bucket.wait(0) > 0, bucket.wait(1)) == (True, 0)
