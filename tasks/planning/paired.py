"""Quality in pairs: means of whole days, drawn, with their groups and gaps."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import Moments, Step, WindowPair
from tasks.planning.assumed import GAP, MONDAY, SHARED, Assumed, wider
from tasks.planning.day_bounds import DayBounds
from tasks.planning.streams import Part, Waiting

if TYPE_CHECKING:
    from numpy.random import Generator


class Paired:
    """Means of whole days, which differ by more than their rows would explain.

    Groups share what a day brings in part, and spread so much that the whole spreads as was
    declared. A candidate that is worse for all opens no gap.
    """

    def __init__(
        self, policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
    ) -> None:
        self.rail, self._rng = rail, rng
        self._mean, self._spread = harm * rail.margin, assumed.spreads[rail.name]
        self._gap_spread = assumed.spreads.get(rail.name + GAP, 0.0)
        self._waiting = Waiting(policy.labels.horizon_hours)
        self._least, self._per_hour = policy.budget.min_clusters, assumed.per_hour
        groups, gaps = rail.by_segment(), rail.by_gap()
        self._groups, self._gaps = len(groups), len(gaps)
        self.parts = [Part(rail.whole(), widens=True)]
        self.parts += [Part(part, widens=False) for part in (*groups.values(), *gaps.values())]
        self._bounds = [DayBounds() for _ in self.parts]
        self._days: list[list[float]] = []  # of each day, the mean of every part
        self._rows = {step.name: 0 for step in policy.steps()}

    @property
    def known(self) -> int:
        return len(self.parts[0].windows)

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        self._waiting.add(begin, end, step)

    def see(self, now: float) -> None:
        """A day counts when the labels of its last row are known."""
        for day, step, since, until in self._waiting.known(now):
            pace = self._per_hour
            rows = math.floor(until * pace + 0.5) - math.floor(since * pace + 0.5)
            self._rows[step.name] += rows
            start = MONDAY + timedelta(days=day)
            for place, mean in enumerate(self._of(day)):
                self._bounds[place].add(step.name, mean)
                self.parts[place].windows.append(self._window(place, start, step, rows, mean))

    def _window(
        self, place: int, start: datetime, step: Step, rows: int, mean: float
    ) -> WindowPair:
        if place <= self._groups:
            n = rows // self._groups if place else rows
            return WindowPair.model_construct(
                start=start, step=step.name, paired=Moments.model_construct(n=n, mean=mean, m2=0.0)
            )
        n = rows // (self._gaps + 1)  # groups of one size, and as many others
        return WindowPair.model_construct(
            start=start, step=step.name, paired=Moments.model_construct(n=n, mean=mean, m2=0.0),
            others=Moments.model_construct(n=rows - n, mean=0.0, m2=0.0),
        )  # fmt: skip

    def tell(self) -> None:
        """Windows are told when they are seen: there is one a day."""

    def _of(self, day: int) -> list[float]:
        count = max(1, self._groups)
        while len(self._days) <= day:
            spread = self._spread * wider(count)
            own = self._rng.normal(0.0, spread * math.sqrt(1.0 - SHARED), size=count)
            common = self._rng.normal(self._mean, spread * math.sqrt(SHARED))
            means = [float(each) for each in common + own]
            gaps = self._rng.normal(0.0, self._gap_spread, size=self._gaps) if self._gaps else ()
            groups = means if self._groups else []
            self._days.append([sum(means) / count, *groups, *map(float, gaps)])
        return self._days[day]

    def harm_at_most(self, later_steps: int) -> list[float]:
        return [
            bounds.harm(part.rail.rollback_at, later_steps)
            for part, bounds in zip(self.parts, self._bounds, strict=True)
        ]

    def safe_at_most(self, factor: float, live: bool) -> list[float]:
        if len(self._days) < self._least:
            return [0.0]
        return [
            math.inf if is_reported(part.rail) else bounds.safe(part.margin(factor))
            for part, bounds in zip(self.parts, self._bounds, strict=True)
        ]

    def rows_at(self, step: Step) -> int | None:
        return None if step.weight_bp else self._rows[step.name]


def is_reported(rail: Guardrail) -> bool:
    """A gap that nobody waits for."""
    return rail.gap is not None and set(rail.gap.values) <= set(rail.gap.reported)
