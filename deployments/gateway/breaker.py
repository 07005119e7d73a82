"""The circuit breaker of one candidate: it opens within milliseconds, and never closes by itself.

It looks at the latest rows that users were meant to get from the candidate. When too many of them
had no good answer in time, the candidate is out: what went well before them is no excuse. A release
judges with statistics every few hours; this only limits what can happen until then.
"""

from __future__ import annotations

from collections import deque

from policies.vocabulary import Breaker


class CircuitBreaker:
    """``count`` is told what came of each call; ``opened`` says why it is open, once it is."""

    def __init__(self, rules: Breaker) -> None:
        self.rules = rules
        self.opened: str | None = None
        self._calls: deque[tuple[float, int, int]] = deque()  # when, rows, bad rows
        self._rows = self._bad = 0

    def count(self, rows: int, bad: int, now: float) -> None:
        """``now``: seconds of a clock that only moves forward."""
        rules, calls = self.rules, self._calls
        calls.append((now, rows, bad))
        self._rows, self._bad = self._rows + rows, self._bad + bad
        while calls[0][0] < now - rules.window_seconds or self._rows - calls[0][1] >= rules.rows:
            _, old_rows, old_bad = calls.popleft()
            self._rows, self._bad = self._rows - old_rows, self._bad - old_bad
        enough = self._rows >= rules.rows
        if self.opened is None and enough and self._bad >= rules.bad_share * self._rows:
            self.opened = (
                f"{self._bad} of the last {self._rows} rows had no good answer within "
                f"{rules.answer_within_ms:g} ms"
            )
