"""How long the calls of each variant took: a fixed histogram each, a microsecond an entry."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import ItemsView
from dataclasses import dataclass, field

BOUNDS_MS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass
class Latency:
    """``within[i]``: calls up to ``BOUNDS_MS[i]`` and above the one before; the last: longer."""

    within: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    sum_ms: float = 0.0


class Latencies:
    """By model and arm. A killed model's ``error`` and a rule take no time worth telling apart."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], Latency] = {}

    def add(self, model: str, arm: str, took_ms: float) -> None:
        latency = self._by.get((model, arm))
        if latency is None:
            latency = self._by[model, arm] = Latency()
        latency.within[bisect_left(BOUNDS_MS, took_ms)] += 1
        latency.sum_ms += took_ms

    def items(self) -> ItemsView[tuple[str, str], Latency]:
        return self._by.items()
