"""Quality in pairs: means of whole days, drawn."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import Moments, Step, WindowPair
from tasks.evidence.day_sums import LEAST_THINNING
from tasks.planning.assumed import HOURS, MONDAY, Assumed
from tasks.planning.streams import Part, by_day

if TYPE_CHECKING:
    from numpy.random import Generator


class Paired:
    """Means of whole days, which differ by more than their rows would explain."""

    def __init__(
        self, policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
    ) -> None:
        self.rail, self._rng = rail, rng
        self._mean, self._spread = harm * rail.margin, assumed.spreads[rail.name]
        self._late, self._least = policy.labels.horizon_hours, policy.budget.min_clusters
        self._per_hour = assumed.per_hour
        groups = rail.by_segment()
        self._groups = max(1, len(groups))
        self.parts = [Part(rail.whole(), widens=True)]
        self.parts += [Part(part, widens=False) for part in groups.values()]
        self._days: list[list[float]] = []  # of each day, the mean of every group
        self._waiting: list[tuple[int, str, int]] = []  # rows whose labels are not known yet

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        pace = self._per_hour
        for day, since, until in by_day(begin, end):
            rows = math.floor(until * pace + 0.5) - math.floor(since * pace + 0.5)
            if self._waiting and self._waiting[-1][:2] == (day, step.name):
                rows += self._waiting.pop()[2]
            self._waiting.append((day, step.name, rows))

    def see(self, now: float) -> None:
        """A day counts when the labels of its last row are known."""
        while self._waiting and (self._waiting[0][0] + 1) * HOURS + self._late <= now + 1e-9:
            day, step, rows = self._waiting.pop(0)
            of_day = self._of(day)
            self._tell(self.parts[0], day, step, rows, sum(of_day) / len(of_day))
            for part, mean in zip(self.parts[1:], of_day, strict=False):
                self._tell(part, day, step, rows // self._groups, mean)

    def tell(self) -> None:
        """Windows are told when they are seen: there is one a day."""

    def _tell(self, part: Part, day: int, step: str, rows: int, mean: float) -> None:
        start, moments = MONDAY + timedelta(days=day), Moments(n=rows, mean=mean, m2=0.0)
        part.windows.append(WindowPair.model_construct(start=start, step=step, paired=moments))

    def _of(self, day: int) -> list[float]:
        """Groups by themselves spread more, so that the whole spreads as was declared."""
        spread = self._spread * math.sqrt(self._groups)
        while len(self._days) <= day:
            drawn = self._rng.normal(self._mean, spread, size=self._groups)
            self._days.append([float(each) for each in drawn])
        return self._days[day]

    def harm_at_most(self) -> list[float]:
        return [
            max((_of_days(part, first, part.rail.rollback_at, 1.0) for first in _starts(part)),
                default=0.0)
            for part in self.parts
        ]  # fmt: skip

    def safe_at_most(self, factor: float, live: bool) -> list[float]:
        if any(len({w.start for w in part.windows}) < self._least for part in self.parts):
            return [0.0]
        return [
            _of_days(part, 0, part.rail.margin * (factor if part.widens else 1.0), -1.0)
            for part in self.parts
        ]

    def rows_at(self, step: Step) -> int | None:
        if step.weight_bp:
            return None
        return sum(w.paired.n for w in self.parts[0].windows if w.step == step.name and w.paired)


def _starts(part: Part) -> list[int]:
    """Where each step's windows begin."""
    names = [window.step for window in part.windows]
    return [place for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


def _of_days(part: Part, first: int, bound: float, sign: float) -> float:
    """The greatest likelihood ratio of normal days of unknown spread, thinned as they are."""
    means = [w.paired.mean for w in part.windows[first:] if w.paired]
    if len(means) < 2:
        return 0.0
    mean = sum(means) / len(means)
    excess, spread = sign * (mean - bound), sum((each - mean) ** 2 for each in means)
    if excess <= 0.0:
        return 0.0
    count = len(means)
    return count / (2.0 * LEAST_THINNING) * math.log1p(count * excess**2 / max(spread, 1e-300))
