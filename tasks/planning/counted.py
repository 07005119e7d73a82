"""Faults of independent requests, drawn by day and step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP, Counts, Step, WindowPair
from tasks.evidence.count_mixture import NEVER_BETS
from tasks.evidence.onset import mixed
from tasks.evidence.sequential import MIRRORED_STEP
from tasks.planning.assumed import MONDAY, Assumed
from tasks.planning.streams import Part, by_day

if TYPE_CHECKING:
    from numpy.random import Generator


class Counted:
    """Faults of independent requests in both arms, by day and step."""

    def __init__(
        self, policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
    ) -> None:
        self.rail, self._rng, self._per_hour = rail, rng, assumed.per_hour
        self._least = policy.budget.min_clusters
        self._base = assumed.base_rates[rail.name]
        self.rate = min(1.0, self._base + harm * margin_of(rail, self._base))
        self.parts = [Part(rail, widens=True)]
        self.known = 0.0  # hours
        self._seen: dict[tuple[int, str], list[int]] = {}  # day and step -> na, xa, nb, xb
        self._sums: dict[str, CountedSums] = {}
        self._days: dict[bool, set[int]] = {False: set(), True: set()}  # all; with users
        self._rows_at: dict[str, int] = {}

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        if not (step.weight_bp or self.rail.is_seen_when_mirrored):
            return
        self.known = end
        share = step.weight_bp / FULL_WEIGHT_BP if step.weight_bp else 1.0
        for day, since, until in by_day(begin, end):
            na = self._rows(since, until, 1.0)
            nb = self._rows(since, until, share)
            xa, xb = self._drawn(step, na, nb)
            self._note(day, step, (na, xa, nb, xb))
            self._rows_at[step.name] = self._rows_at.get(step.name, 0) + nb

    def _drawn(self, step: Step, na: int, nb: int) -> tuple[int, int]:
        first, second = self._chances(step)
        return int(self._rng.binomial(na, first)), int(self._rng.binomial(nb, second))

    def _note(self, day: int, step: Step, counts: tuple[int, int, int, int]) -> None:
        told = self._seen.setdefault((day, step.name), [0, 0, 0, 0])
        told[:] = [a + b for a, b in zip(told, counts, strict=True)]
        self._sums.setdefault(step.name, CountedSums()).add(*counts)
        self._days[False].add(day)
        if step.weight_bp:
            self._days[True].add(day)

    def _chances(self, step: Step) -> tuple[float, float]:
        """Only mirrored, a row on which both fail tells nothing, and is counted for neither."""
        if step.weight_bp or self.rail.relative:
            return self._base, self.rate
        return self._base * (1.0 - self.rate), self.rate * (1.0 - self._base)

    def _rows(self, begin: float, end: float, share: float) -> int:
        pace = self._per_hour * share
        return math.floor(end * pace + 0.5) - math.floor(begin * pace + 0.5)

    def see(self, now: float) -> None:
        """Answers are known at once."""

    def tell(self) -> None:
        """Only the last window can have grown since they were told."""
        windows = self.parts[0].windows
        del windows[-1:]
        for (day, step), (na, xa, nb, xb) in list(self._seen.items())[len(windows) :]:
            windows.append(
                WindowPair.model_construct(
                    start=MONDAY + timedelta(days=day),
                    step=step,
                    champion=Counts.model_construct(n=na, events=xa),
                    candidate=Counts.model_construct(n=nb, events=xb),
                )
            )

    def harm_at_most(self, later_steps: int) -> list[float]:
        since = list(accumulate(reversed(self._sums.values()), CountedSums.plus))[::-1]
        if not since:
            return [0.0]
        whole, *later = (self._against(each, self.rail.rollback_at, 1.0) for each in since)
        return [mixed(whole, later, later_steps)]

    def safe_at_most(self, factor: float, live: bool) -> list[float]:
        if self.rail.unit == "day" and len(self._days[live]) < self._least:
            return [0.0]
        speaking = (s for step, s in self._sums.items() if not live or step != MIRRORED_STEP)
        total = reduce(CountedSums.plus, speaking, CountedSums())
        return [self._against(total, self.rail.margin * factor, -1.0)]

    def _against(self, sums: CountedSums, bound: float, sign: float) -> float:
        """Where days are independent, half of an exact e-process never bets (``count_mixture``)."""
        most = sums.against(self.rail, bound, sign)
        if self.rail.unit == "request":
            return most
        return most + math.log(NEVER_BETS * math.exp(-most) + 1.0 - NEVER_BETS)

    def rows_at(self, step: Step) -> int | None:
        if not (step.weight_bp or self.rail.is_seen_when_mirrored):
            return None
        return self._rows_at.get(step.name, 0)


@dataclass
class CountedSums:
    """Differences of one step, added up: enough to bound what they could be evidence of."""

    h: float = 0.0
    champion: float = 0.0  # rates, weighed by h
    candidate: float = 0.0
    rows: float = 0.0
    events: float = 0.0

    def add(self, na: int, xa: int, nb: int, xb: int) -> None:
        if not (na and nb):
            return
        h = na * nb / (na + nb)
        self.h += h
        self.champion += h * xa / na
        self.candidate += h * xb / nb
        self.rows += na
        self.events += xa

    def plus(self, other: CountedSums) -> CountedSums:
        return CountedSums(
            self.h + other.h, self.champion + other.champion, self.candidate + other.candidate,
            self.rows + other.rows, self.events + other.events,
        )  # fmt: skip

    def against(self, rail: Guardrail, bound: float, sign: float) -> float:
        """Half the square of the standardised excess: what no log e-value goes much beyond.

        The variance is the champion's alone, or that of the arm in which more than half have the
        event: the smallest that could be meant.
        """
        if not self.h:
            return 0.0
        factor, shift = (1.0 + bound, 0.0) if rail.relative else (1.0, bound)
        excess = sign * ((self.candidate - factor * self.champion) / self.h - shift)
        rate = (self.events + 0.5) / (self.rows + 0.5 / rail.margin)
        rate = max(rate, self.candidate / self.h) if rate > 0.5 else rate
        return max(excess, 0.0) ** 2 * self.h / (2.0 * max(rate * (1.0 - rate), 1e-12))


def margin_of(rail: Guardrail, base: float) -> float:
    """The margin as a share of all requests."""
    return rail.margin * base if rail.relative else rail.margin
