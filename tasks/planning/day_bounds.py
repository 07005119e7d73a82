"""The most that day means can be evidence of, from their sums: which looks are worth weighing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate

from tasks.evidence.day_sums import LEAST_THINNING
from tasks.evidence.onset import mixed


@dataclass(frozen=True)
class DayTotals:
    """Days of one step, or of several."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, other: DayTotals) -> DayTotals:
        return DayTotals(
            self.count + other.count, self.total + other.total, self.squares + other.squares
        )

    def against(self, bound: float, sign: float) -> float:
        """The greatest likelihood ratio of normal days of unknown spread, thinned as they are."""
        if self.count < 2:
            return 0.0
        mean = self.total / self.count
        excess, spread = sign * (mean - bound), self.squares - self.count * mean**2
        if excess <= 0.0:
            return 0.0
        odds = self.count * excess**2 / max(spread, 1e-300)
        return self.count / (2.0 * LEAST_THINNING) * math.log1p(odds)


@dataclass
class DayBounds:
    """Of one part of a guardrail, by step."""

    steps: dict[str, DayTotals] = field(default_factory=dict)

    def add(self, step: str, mean: float) -> None:
        told = DayTotals(1, mean, mean**2)
        self.steps[step] = self.steps.get(step, DayTotals()).plus(told)

    def harm(self, bound: float, later_steps: int) -> float:
        since = list(accumulate(reversed(self.steps.values()), DayTotals.plus))[::-1]
        if not since:
            return 0.0
        whole, *later = (each.against(bound, 1.0) for each in since)
        return mixed(whole, later, later_steps)

    def safe(self, margin: float) -> float:
        return reduce(DayTotals.plus, self.steps.values(), DayTotals()).against(margin, -1.0)
