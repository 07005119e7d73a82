"""What a release sees of a guardrail by some hour when all goes as expected, but for some luck.

Nothing is drawn: counts are rounded so that their sums stay right, and days that would differ by
chance lie as far on either side of their mean, one after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP, Counts, Moments, Step, WindowPair
from tasks.planning.assumed import HOURS, MEANS, MONDAY, Assumed
from tasks.planning.by_ratio import over_one
from tasks.planning.streams import users_of

Span = tuple[int, Step, float, float]  # day, step and the hours in between


@dataclass(frozen=True)
class Track:
    """Which steps a release went through, and when it left each, in hours."""

    steps: tuple[tuple[Step, float], ...] = ()

    def longer(self, step: Step, days: float) -> Track:
        begun = self.steps[-1][1] if self.steps else 0.0
        return Track((*self.steps, (step, begun + days * HOURS)))

    @property
    def end(self) -> float:
        return self.steps[-1][1]

    def at(self, hour: float) -> Step:
        return next((step for step, end in self.steps if hour < end - 1e-9), self.steps[-1][0])

    def spans(self) -> list[Span]:
        edges = {end for _, end in self.steps} | {d * HOURS for d in range(int(self.end // 24) + 2)}
        cut = sorted({0.0, *(edge for edge in edges if edge <= self.end)})
        return [(int(a // HOURS), self.at(a), a, b) for a, b in pairwise(cut)]


@dataclass(frozen=True)
class Subject:
    """A guardrail, or one of its groups or gaps."""

    policy: ReleasePolicy
    assumed: Assumed
    rail: Guardrail
    others: int = 0  # for the gap of a group: rows outside of it, for each of its own

    @property
    def is_missing(self) -> bool:
        return self.rail.metric == "missing"


def expected(
    of: Subject, track: Track, effect: float, luck: float, *, live: bool = False
) -> list[WindowPair]:
    """``luck``: how many standard errors the difference lies above ``effect``.

    ``live``: without failures that only the mirror showed, which do not speak for safety then.
    """
    if of.rail.kind == "paired_mean":
        return _paired(of, track, effect, luck)
    if of.rail.kind in (*MEANS, "ratio"):
        return _by_units(of, track, effect, luck)
    return _counted(of, track, effect, luck, live=live)


def _paired(of: Subject, track: Track, effect: float, luck: float) -> list[WindowPair]:
    days, spread = _days(of, track), of.assumed.spreads[of.rail.name]
    mean, found = effect + luck * spread / math.sqrt(max(days, 1)), []
    for day, step, begin, end in track.spans():
        if day >= days:
            continue
        n = max(1, round((end - begin) * of.assumed.per_hour))
        found.append(
            WindowPair.model_construct(
                start=_start(day), step=step.name,
                paired=Moments(n=n, mean=mean + _side(day) * spread),
                others=Moments(n=n * of.others) if of.others else None,
            )
        )  # fmt: skip
    return found


def _days(of: Subject, track: Track) -> int:
    """Whose labels are known."""
    return int((track.end - of.policy.labels.horizon_hours) // HOURS)


def _side(day: int) -> float:
    return 1.0 if day % 2 else -1.0


def _start(day: int) -> datetime:
    return MONDAY + timedelta(days=day)


def _split(of: Subject, track: Track) -> list[Span]:
    """Known days and steps with users of both arms."""
    days = _days(of, track)
    return [s for s in track.spans() if s[0] < days and 0 < s[1].weight_bp < FULL_WEIGHT_BP]


def _precision(sizes: list[tuple[int, int]]) -> float:
    return max(math.fsum(na * nb / (na + nb) for na, nb in sizes if na + nb), 1e-9)


def _of_days(spans: list[Span], sizes: list[tuple[int, int]]) -> float:
    """Of their weighted mean: no day weighs more than those before it (``day_sums``)."""
    by_day: dict[int, float] = {}
    for (day, *_), (na, nb) in zip(spans, sizes, strict=True):
        if na and nb:
            by_day[day] = by_day.get(day, 0.0) + na * nb / (na + nb)
    before, total, squares = 0.0, 0.0, 0.0
    for place, size in enumerate(by_day.values()):
        weight = min(1.0, size * place / before) if place else 1.0
        total, squares, before = total + weight, squares + weight**2 / size, before + size
    return total**2 / squares if squares else 1e-9


def _by_units(of: Subject, track: Track, effect: float, luck: float) -> list[WindowPair]:
    """Users of both arms whose means differ by as much in every window; else days as in pairs."""
    rail, spans = of.rail, _split(of, track)
    sizes = [users_of(of.assumed.users_per_hour, *span[1:]) for span in spans]
    base, worse = 1.0 if rail.relative else 0.0, -1.0 if rail.direction == "up" else 1.0
    between = of.assumed.spreads.get(rail.name, 0.0)
    within = of.assumed.user_spreads.get(rail.name, 0.0)
    error = between / math.sqrt(max(len({s[0] for s in spans}), 1))
    error = within / math.sqrt(_precision(sizes)) if within else error
    found = _before(of, track, base, within) if rail.kind == "ratio" else []
    for (day, step, _, _), (na, nb) in zip(spans, sizes, strict=True):
        of_day = effect + luck * error + _side(day) * between
        champion = _users(na, base, within)
        candidate = _users(nb, base + worse * of_day, within)
        found.append(_window(rail, day, step, champion, candidate))
    return found


def _before(of: Subject, track: Track, base: float, within: float) -> list[WindowPair]:
    """The champion alone, whose ratio is taken from it."""
    days, found = _days(of, track), []
    for day, step, begin, end in track.spans():
        if day < days and not step.weight_bp:
            n = users_of(of.assumed.users_per_hour, step, begin, end)[0]
            found.append(_window(of.rail, day, step, _users(n, base, within), Moments(n=0)))
    return found


def _users(n: int, mean: float, spread: float) -> Moments:
    return Moments(n=n, mean=mean if n else 0.0, m2=spread**2 * max(n - 1, 0))


def _window(
    rail: Guardrail, day: int, step: Step, champion: Moments, candidate: Moments
) -> WindowPair:
    if rail.kind == "ratio":
        return WindowPair.model_construct(
            start=_start(day), step=step.name,
            champion_pairs=over_one(champion), candidate_pairs=over_one(candidate),
        )  # fmt: skip
    return WindowPair.model_construct(
        start=_start(day), step=step.name, champion_units=champion, candidate_units=candidate
    )


def _counted(
    of: Subject, track: Track, effect: float, luck: float, *, live: bool
) -> list[WindowPair]:
    """Where days are what is independent, they differ as their counts alone would make them."""
    rail, base = of.rail, of.assumed.base_rates[of.rail.name]
    spans, sizes = _of_users(of, track) if of.is_missing else _of_requests(of, track, live=live)
    rate = min(1.0, base + (effect * base if rail.relative else effect))
    first, second = base * (1.0 - base), rate * (1.0 - rate)
    precision = _of_days(spans, sizes) if rail.unit == "day" else _precision(sizes)
    worse = rate + luck * math.sqrt(max(first, second) / precision)
    found, seen = [], [0.0, 0.0]
    for (day, step, _, _), (na, nb) in zip(spans, sizes, strict=True):
        chance = math.sqrt(first / na + second / nb) if na and nb and rail.unit == "day" else 0.0
        of_day = min(1.0, max(0.0, worse + _side(day) * chance))
        alone = not step.weight_bp and not rail.relative
        shares = (base * (1.0 - of_day), of_day * (1.0 - base)) if alone else (base, of_day)
        counts = []
        for place, (n, share) in enumerate(zip((na, nb), shares, strict=True)):
            before = round(seen[place])
            seen[place] += n * share
            counts.append(Counts(n=n, events=min(n, round(seen[place]) - before)))
        found.append(
            WindowPair.model_construct(
                start=_start(day), step=step.name, champion=counts[0], candidate=counts[1]
            )
        )
    return found


def _of_users(of: Subject, track: Track) -> tuple[list[Span], list[tuple[int, int]]]:
    spans = _split(of, track)
    return spans, [users_of(of.assumed.users_per_hour, *span[1:]) for span in spans]


def _of_requests(
    of: Subject, track: Track, *, live: bool
) -> tuple[list[Span], list[tuple[int, int]]]:
    """Known at once; the champion scores all of them."""
    mirrored = of.rail.is_seen_when_mirrored and not live
    spans = [s for s in track.spans() if s[1].weight_bp or mirrored]
    return spans, [_rows(of.assumed, *span[1:]) for span in spans]


def _rows(assumed: Assumed, step: Step, begin: float, end: float) -> tuple[int, int]:
    share = step.weight_bp / FULL_WEIGHT_BP if step.weight_bp else 1.0
    rows = (end - begin) * assumed.per_hour
    return round(rows), round(rows * share)
