"""The circuit breaker of one candidate: it opens within milliseconds, and never closes by itself.

Rows that users were meant to get from the candidate are counted over a sliding window. With enough
of them, and too many without a good answer in time, the candidate is out. A release judges with
statistics every few hours; this only limits what can happen until then.
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
        self._calls.append((now, rows, bad))
        self._rows, self._bad = self._rows + rows, self._bad + bad
        while self._calls[0][0] < now - self.rules.window_seconds:
            _, old_rows, old_bad = self._calls.popleft()
            self._rows, self._bad = self._rows - old_rows, self._bad - old_bad
        enough = self._rows >= self.rules.min_rows
        if self.opened is None and enough and self._bad >= self.rules.bad_share * self._rows:
            self.opened = (
                f"{self._bad} of {self._rows} rows within {self.rules.window_seconds:g} s had no "
                f"good answer within {self.rules.answer_within_ms:g} ms"
            )
