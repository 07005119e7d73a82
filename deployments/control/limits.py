"""How often one caller may call, measured on a clock that nobody can set.

A bucket of its own for whoever holds the kill token: neither a reader that calls in a loop nor
somebody who guesses tokens takes a kill's turn away. Wrong tokens are limited to spare the
machine and to tell a caller with an old token to stop; guessing is hopeless by the tokens'
length, so a right token is never refused for the wrong ones that came from its address.

Own lines, because the libraries for it count on the wall clock: set back by an hour it would
lock everybody out for that hour, the kill too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

_MOST_CALLERS = 10_000  # remembered; beyond that the one longest silent starts afresh


class Rate(NamedTuple):
    per_second: float
    burst: int  # calls that may come at once


class Limits(NamedTuple):
    """A caller is an address together with the token it holds, if it holds one."""

    calls: Rate = Rate(500, 2000)
    kills: Rate = Rate(50, 500)  # with the kill token: for all models of a large home at once
    wrong: Rate = Rate(1, 60)  # answers that would be 401, by address


LIMITS = Limits()


class Bucket:
    """One rate for every caller by itself. ``clock`` is in seconds and never goes back.

    The generic cell rate algorithm (ITU-T I.371): a caller's one number is the time at which its
    burst is whole again.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._each = 1 / rate.per_second
        self._ahead = (rate.burst - 1) * self._each
        self._whole_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, caller: Hashable) -> float:
        """0 when the call may go on, and it is counted; else in how many seconds it may."""
        now = self._clock()
        whole_at = max(self._whole_at.pop(caller, now), now)
        wait = max(whole_at - now - self._ahead, 0.0)
        self._whole_at[caller] = whole_at if wait else whole_at + self._each
        while len(self._whole_at) > _MOST_CALLERS:
            self._whole_at.popitem(last=False)
        return wait
