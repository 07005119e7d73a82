"""Ratios of two sums by user, drawn as what they are judged by: one linearised value a user.

What is divided by is one for everybody, so that a user's other sum is the linearised value and
varies as was said: a ratio's e-values depend on nothing else (``ratios``). From the shadow on,
where the champion alone answers and its ratio is taken from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP, Moments, PairMoments, Step, WindowPair
from tasks.evidence.means import MANY_UNITS
from tasks.evidence.onset import mixed
from tasks.planning.assumed import MONDAY, Assumed
from tasks.planning.by_units import drawn
from tasks.planning.streams import Part, Waiting, users_of

if TYPE_CHECKING:
    from numpy.random import Generator


class ByRatio:
    """``harm`` in margins, whichever way is worse."""

    def __init__(
        self, policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
    ) -> None:
        self.rail, self._rng, self.parts = rail, rng, [Part(rail, widens=True)]
        self._users, self._spread = assumed.users_per_hour, assumed.user_spreads[rail.name]
        base = 1.0 if rail.relative else 0.0
        self._means = base, base + _upwards(rail) * harm * rail.margin
        self._waiting = Waiting(policy.labels.horizon_hours)
        self._since: dict[str, RatioSums] = {}  # since each step began

    @property
    def known(self) -> int:
        return len(self.parts[0].windows)

    def pass_time(self, begin: float, end: float, step: Step) -> None:
        """At full weight there is nobody to compare with."""
        if step.weight_bp < FULL_WEIGHT_BP:
            self._waiting.add(begin, end, step)

    def see(self, now: float) -> None:
        for day, step, since, until in self._waiting.known(now):
            sizes = users_of(self._users, step, since, until)
            champion, candidate = (
                drawn(self._rng, n, mean, self._spread) if n else Moments(n=0)
                for n, mean in zip(sizes, self._means, strict=True)
            )
            self._since.setdefault(step.name, RatioSums())
            for each in self._since.values():
                each.add(champion, candidate)
            self.parts[0].windows.append(
                WindowPair.model_construct(
                    start=MONDAY + timedelta(days=day), step=step.name,
                    champion_pairs=over_one(champion), candidate_pairs=over_one(candidate),
                )
            )  # fmt: skip

    def tell(self) -> None:
        """Windows are told when they are seen: there is one a day and step."""

    def harm_at_most(self, later_steps: int) -> list[float]:
        if not self._since:
            return [0.0]
        bound = self.rail.rollback_at
        whole, *later = (self._against(each, bound, 1.0) for each in self._since.values())
        return [mixed(whole, later, later_steps)]

    def safe_at_most(self, factor: float, live: bool) -> list[float]:
        whole = next(iter(self._since.values()), RatioSums())
        return [self._against(whole, self.parts[0].margin(factor), -1.0)]

    def _against(self, sums: RatioSums, bound: float, side: float) -> float:
        return sums.against(self.rail, self._spread, bound, side)

    def rows_at(self, step: Step) -> int | None:
        return None


@dataclass
class RatioSums:
    """Differences added up, of the windows that are not spent on the champion's ratio."""

    spent: int = 0  # the champion's users
    champion: float = 0.0  # means, weighed by h
    candidate: float = 0.0
    h: float = 0.0
    from_champion: float = 0.0  # of the variance of these sums, in squared spreads
    from_candidate: float = 0.0

    def add(self, champion: Moments, candidate: Moments) -> None:
        both = champion.n > 0 and candidate.n > 0
        if not both or self.spent < MANY_UNITS:
            self.spent += champion.n
            return
        h = champion.n * candidate.n / (champion.n + candidate.n)
        self.h += h
        self.champion += h * champion.mean
        self.candidate += h * candidate.mean
        self.from_champion += h**2 / champion.n
        self.from_candidate += h**2 / candidate.n

    def against(self, rail: Guardrail, spread: float, bound: float, side: float) -> float:
        """Half the square of the standardised excess, at the spread that users really have."""
        if not self.h:
            return 0.0
        up = _upwards(rail)
        factor, shift = (1.0 + up * bound, 0.0) if rail.relative else (1.0, up * bound)
        excess = side * up * (self.candidate - factor * self.champion - shift * self.h)
        variance = spread**2 * (self.from_candidate + factor**2 * self.from_champion)
        return max(excess, 0.0) ** 2 / (2.0 * variance)


def over_one(part: Moments) -> PairMoments:
    """Each user's value over one."""
    return PairMoments.model_construct(
        n=part.n, mean_x=1.0 if part.n else 0.0, mean_y=part.mean, m2_x=0.0, m2_y=part.m2, c_xy=0.0
    )


def _upwards(rail: Guardrail) -> float:
    """Which way is worse."""
    return -1.0 if rail.direction == "up" else 1.0
