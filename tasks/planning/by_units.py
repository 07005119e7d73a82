"""Means of the users whom each model answered, drawn: business metrics and randomised losses.

From the canary on, and until everybody is answered by the candidate: then there is nobody to
compare with, and what was shown before stands. A user counts once at each step, on the first day.
"""

from __future__ import annotations

import math
from datetime import timedelta
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP, Moments, Step, WindowPair
from tasks.evidence.onset import mixed
from tasks.planning.assumed import MONDAY, Assumed
from tasks.planning.day_bounds import DayBounds
from tasks.planning.streams import Part, Waiting, users_of

if TYPE_CHECKING:
    from numpy.random import Generator


class ByUnits:
    """``harm`` in margins, whichever way is worse. Days differ as declared, or users do."""

    def __init__(
        self, policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
    ) -> None:
        self.rail, self._rng, self.parts = rail, rng, [Part(rail, widens=True)]
        self._users = assumed.users_per_hour
        self._least = policy.budget.min_clusters
        self._worse = -1.0 if rail.direction == "up" else 1.0
        self._effect = harm * rail.margin
        self._by_day = rail.unit == "day"
        self._spread = (assumed.spreads if self._by_day else assumed.user_spreads)[rail.name]
        self._waiting = Waiting(policy.labels.horizon_hours)
        self._days: dict[int, float] = {}
        self._bounds, self._sums = DayBounds(), dict[str, tuple[float, float]]()

    @property
    def known(self) -> int:
        return len(self.parts[0].windows)

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        if 0 < step.weight_bp < FULL_WEIGHT_BP:
            self._waiting.add(begin, end, step)

    def see(self, now: float) -> None:
        for day, step, since, until in self._waiting.known(now):
            arms = self._drawn(day, step, *users_of(self._users, step, since, until))
            self.parts[0].windows.append(
                WindowPair.model_construct(
                    start=MONDAY + timedelta(days=day), step=step.name,
                    champion_units=arms[0], candidate_units=arms[1],
                )
            )  # fmt: skip

    def _drawn(self, day: int, step: Step, na: int, nb: int) -> tuple[Moments, Moments]:
        base = 1.0 if self.rail.relative else 0.0
        if self._by_day:
            if day not in self._days:
                self._days[day] = float(self._rng.normal(self._effect, self._spread))
            worse = self._days[day]
            if na and nb:
                self._bounds.add(step.name, worse)
            return _moments(na, base, 0.0), _moments(nb, base + self._worse * worse, 0.0)
        means = base, base + self._worse * self._effect
        first, second = (
            drawn(self._rng, n, mean, self._spread) for n, mean in zip((na, nb), means, strict=True)
        )
        if na and nb:
            h = na * nb / (na + nb)
            s, size = self._sums.get(step.name, (0.0, 0.0))
            worse = self._worse * (second.mean - first.mean)
            self._sums[step.name] = (s + h * worse, size + h)
        return first, second

    def tell(self) -> None:
        """Windows are told when they are seen: there is one a day and step."""

    def harm_at_most(self, later_steps: int) -> list[float]:
        bound = self.rail.rollback_at
        if self._by_day:
            return [self._bounds.harm(bound, later_steps)]
        since = list(accumulate(reversed(self._sums.values()), _plus))[::-1]
        if not since:
            return [0.0]
        whole, *later = (self._against(each, bound, 1.0) for each in since)
        return [mixed(whole, later, later_steps)]

    def safe_at_most(self, factor: float, live: bool) -> list[float]:
        margin = self.parts[0].margin(factor)
        if self._by_day:
            return [self._bounds.safe(margin) if len(self._days) >= self._least else 0.0]
        return [self._against(reduce(_plus, self._sums.values(), (0.0, 0.0)), margin, -1.0)]

    def _against(self, sums: tuple[float, float], bound: float, sign: float) -> float:
        """Half the square of the standardised excess, at the spread that users really have."""
        s, h = sums
        excess = sign * (s - h * bound)
        return 0.0 if excess <= 0.0 else excess**2 / (2.0 * h * self._spread**2)

    def rows_at(self, step: Step) -> int | None:
        return None


def drawn(rng: Generator, n: int, mean: float, spread: float) -> Moments:
    """Of as many independent users."""
    if n < 2:
        return _moments(n, mean + spread * float(rng.normal()), 0.0)
    of_mean = mean + spread / math.sqrt(n) * float(rng.normal())
    return _moments(n, of_mean, spread**2 * float(rng.chisquare(n - 1)))


def _moments(n: int, mean: float, m2: float) -> Moments:
    return Moments.model_construct(n=n, mean=mean if n else 0.0, m2=m2)


def _plus(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]
