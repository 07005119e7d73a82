"""What a simulated release sees of its guardrails, as it would come from the telemetry.

Requests come evenly around the clock. The champion scores every request, the candidate its share
of them. Every part of a stream (the whole, and each declared group) has windows of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from policies.schema import Guardrail
from policies.vocabulary import Step, WindowPair
from tasks.planning.assumed import HOURS


@dataclass
class Part:
    """One guardrail, or one of its groups. ``widens``: a stage widens its margin."""

    rail: Guardrail
    widens: bool
    windows: list[WindowPair] = field(default_factory=list)


class Stream(Protocol):
    @property
    def rail(self) -> Guardrail: ...

    @property
    def parts(self) -> list[Part]: ...

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        """Hours since the shadow began, all of them at ``step``."""

    def see(self, now: float) -> None:
        """Take note of what is known at ``now``."""

    def tell(self) -> None:
        """Bring the windows to what has been seen: most looks need none."""

    def harm_at_most(self) -> list[float]:
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
