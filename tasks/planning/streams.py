"""What a simulated release sees of its guardrails, as it would come from the telemetry.

Requests come evenly around the clock. The champion scores every request, the candidate its share
of them. Every part of a stream (the whole, each declared group, each gap) has windows of its own.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from policies.schema import Guardrail
from policies.vocabulary import FULL_WEIGHT_BP, Step, WindowPair
from tasks.planning.assumed import HOURS


@dataclass
class Part:
    """One guardrail, one of its groups or gaps. ``widens``: a stage widens its margin."""

    rail: Guardrail
    widens: bool
    windows: list[WindowPair] = field(default_factory=list)

    def margin(self, factor: float) -> float:
        return self.rail.margin * (factor if self.widens else 1.0)


class Stream(Protocol):
    @property
    def rail(self) -> Guardrail: ...

    @property
    def parts(self) -> list[Part]: ...

    @property
    def known(self) -> Hashable:
        """Another value whenever there may be something new to weigh."""

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        """Hours since the shadow began, all of them at ``step``."""

    def see(self, now: float) -> None:
        """Take note of what is known at ``now``."""

    def tell(self) -> None:
        """Bring the windows to what has been seen: most looks need none."""

    def harm_at_most(self, later_steps: int) -> list[float]:
        """For each part about the most that its log e-value for harm could be by now."""

    def safe_at_most(self, factor: float, live: bool) -> list[float]:
        """The same for safety, with a margin widened by ``factor``; zero with too few days."""

    def rows_at(self, step: Step) -> int | None:
        """Rows of this step that count towards its least number; ``None``: not this stream's."""


def by_day(begin: float, end: float) -> Iterator[tuple[int, float, float]]:
    """The days that some hours lie in, each with the hours that do."""
    while begin < end - 1e-9:
        day = int((begin + 1e-9) // HOURS)
        until = min(end, (day + 1) * HOURS)
        yield day, begin, until
        begin = until


def users_of(per_hour: float, step: Step, begin: float, end: float) -> tuple[int, int]:
    """Users of both arms who are new to a step in these hours."""
    share = step.weight_bp / FULL_WEIGHT_BP
    paces = per_hour * (1.0 - share), per_hour * share
    na, nb = (math.floor(end * pace + 0.5) - math.floor(begin * pace + 0.5) for pace in paces)
    return na, nb


@dataclass
class Waiting:
    """Rows by day and step, until the labels of the day's last row are known.

    Nothing of a day is told before: parts of a day are not comparable with whole ones.
    """

    late: float  # hours until a label is known
    rows: list[tuple[int, Step, float, float]] = field(default_factory=list)

    def add(self, begin: float, end: float, step: Step) -> None:
        for day, since, until in by_day(begin, end):
            first = since
            if self.rows and self.rows[-1][:2] == (day, step):
                first = self.rows.pop()[2]
            self.rows.append((day, step, first, until))

    def known(self, now: float) -> Iterator[tuple[int, Step, float, float]]:
        """Day, step and the hours in between, each once."""
        while self.rows and (self.rows[0][0] + 1) * HOURS + self.late <= now + 1e-9:
            yield self.rows.pop(0)
