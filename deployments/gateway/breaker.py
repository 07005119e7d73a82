"""The circuit breaker of one candidate: it opens within milliseconds, and never closes by itself.

It looks at the latest rows that users were meant to get from the candidate. When too many of them
had no good answer in time, the candidate is out: what went well before them is no excuse. A release
judges with statistics every few hours; this only limits what can happen until then. A call counts
for a quarter of them at most: one large request that was late opens nothing.
"""

from __future__ import annotations

from collections import deque

from policies.vocabulary import Breaker

_ROUNDING = 1e-9  # of sums of shares of calls


class CircuitBreaker:
    """``count`` is told what came of each call of one row or more; ``opened``: why it is open."""

    def __init__(self, rules: Breaker) -> None:
        self.rules = rules
        self.opened: str | None = None
        self._most = max(1, rules.rows // 4)  # that one call may count for, however large it is
        self._calls: deque[tuple[float, float, float]] = deque()  # when, rows, bad rows
        self._rows = self._bad = 0.0

    def count(self, rows: int, bad: int, now: float) -> None:
        """``now``: seconds of a clock that only moves forward."""
        rules, calls = self.rules, self._calls
        counted = min(rows, self._most)
        calls.append((now, counted, counted * bad / rows))
        self._rows, self._bad = self._rows + counted, self._bad + counted * bad / rows
        while calls[0][0] < now - rules.window_seconds or self._rows - calls[0][1] >= rules.rows:
            _, old_rows, old_bad = calls.popleft()
            self._rows, self._bad = self._rows - old_rows, self._bad - old_bad
        enough = self._rows >= rules.rows
        if self.opened is None and enough and self._bad >= rules.bad_share * self._rows - _ROUNDING:
            self.opened = (
                f"{self._bad / self._rows:.0%} of the last {len(calls)} calls had no good answer "
                f"within {rules.answer_within_ms:g} ms"
            )
