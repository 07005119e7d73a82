"""What the control service counts of its own calls, for whoever scrapes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """``calls``: by the name of the handler and the status it ended with."""

    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    denied: int = 0  # without the right token, also those that were answered 429 in the end

    def done(self, handler: str) -> int:
        return self.calls[handler, 200]

    @property
    def limited(self) -> int:
        return sum(count for (_, status), count in list(self.calls.items()) if status == 429)
