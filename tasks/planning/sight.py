"""What each step can see of each guardrail: the harm it finds, and the margin it can show.

Reckoned on one release whose data are as bad as one in five would be, and weighed by the
e-processes of a release; no randomness. What a release keeps for harm that begins with a later
step is taken to find nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.vocabulary import FULL_WEIGHT_BP, Counts, Moments, Step, WindowPair
from tasks.evidence.onset import WHOLE_SHARE
from tasks.evidence.sequential import weigh
from tasks.planning.assumed import HOURS, MEANS, MONDAY, Assumed
from tasks.planning.weighing import GROUP

ONE_IN_FIVE = 0.8416  # standard errors of bad luck
FURTHEST = 64.0  # margins: beyond it nothing is sought
HALVINGS = 10


@dataclass(frozen=True)
class Sight:
    """One guardrail at one step, in the metric's unit; ``None``: not seen there, or not at all.

    ``finds``: harm that four in five releases are rolled back for by the step's usual end.
    ``shows``: margin that four in five sound releases are within at its deadline.
    """

    guardrail: str
    step: str
    asks: float | None
    shows: float | None
    finds: float | None


def sights(policy: ReleasePolicy, assumed: Assumed, usual_days: Mapping[str, float]) -> list[Sight]:
    """``usual_days``: how long a sound release stands at each step; else its least time."""
    found, track = [], _Track()
    for step in policy.steps()[1:]:
        rules = policy.rules_for(step)
        if not isinstance(rules, StageRules):
            continue
        usual = track.longer(step, max(usual_days.get(step.name, 0.0), rules.min_days))
        latest = track.longer(step, max(rules.deadline_days, rules.min_days))
        for rail in policy.guardrails:
            if rail.is_due_at(step):
                asked = _Asked(policy, assumed, rail.whole(), step)
                found.append(_sight(asked, rail.name, rules.margin_factor, usual, latest))
                for part in list(rail.by_segment().values())[:1]:  # they are all alike
                    one = replace(asked, assumed=assumed.of_group(rail), rail=part)
                    found.append(_sight(one, rail.name + GROUP, 1.0, usual, latest))
        track = usual
    return found


@dataclass(frozen=True)
class _Track:
    """Which steps a release went through, and when it left each, in hours."""

    steps: tuple[tuple[Step, float], ...] = ()

    def longer(self, step: Step, days: float) -> _Track:
        begun = self.steps[-1][1] if self.steps else 0.0
        return _Track((*self.steps, (step, begun + days * HOURS)))

    @property
    def end(self) -> float:
        return self.steps[-1][1]

    def at(self, hour: float) -> Step:
        return next((step for step, end in self.steps if hour < end - 1e-9), self.steps[-1][0])

    def spans(self) -> list[tuple[int, Step, float, float]]:
        """Day, step and the hours in between."""
        edges = {end for _, end in self.steps} | {d * HOURS for d in range(int(self.end // 24) + 2)}
        cut = sorted({0.0, *(edge for edge in edges if edge <= self.end)})
        return [(int(a // HOURS), self.at(a), a, b) for a, b in pairwise(cut)]


@dataclass(frozen=True)
class _Asked:
    """A guardrail, or one of its groups, at one step."""

    policy: ReleasePolicy
    assumed: Assumed
    rail: Guardrail
    step: Step

    def finds(self, track: _Track, effect: float) -> bool:
        budget = self.policy.budget
        windows = self._windows(track, effect, -ONE_IN_FIVE)
        told = weigh(self.rail, windows, budget, only="harm")
        harm = math.log(self.rail.weight * WHOLE_SHARE) + (told.log_e_harm or 0.0)
        return harm >= -math.log(budget.rollback_alpha)

    def shows(self, windows: list[WindowPair], margin: float) -> bool:
        budget, live = self.policy.budget, self.step.weight_bp > 0
        wider = max(1.0, margin / self.rail.margin)
        asked = self.rail
        if margin < asked.margin:
            asked = asked.model_copy(update={"margin": margin, "rollback_at": 0.0})
        told = weigh(asked, windows, budget, margin_factor=wider, live=live, only="safe")
        return told.status == "ok" and (told.log_e_safe or 0.0) >= -math.log(budget.promote_beta)

    def sound(self, track: _Track) -> list[WindowPair]:
        return self._windows(track, 0.0, ONE_IN_FIVE)

    def _windows(self, track: _Track, effect: float, luck: float) -> list[WindowPair]:
        if self.rail.kind == "paired_mean":
            return _paired(self.policy, self.assumed, self.rail, track, effect, luck)
        if self.rail.kind in MEANS:
            return _by_units(self.policy, self.assumed, self.rail, track, effect, luck)
        return _counted(self.assumed, self.rail, track, effect, luck)


def _sight(asked: _Asked, name: str, factor: float, usual: _Track, latest: _Track) -> Sight:
    rail, sound = asked.rail, asked.sound(latest)
    return Sight(
        guardrail=name,
        step=asked.step.name,
        asks=rail.margin * factor,
        shows=_least(lambda margin: asked.shows(sound, margin), 0.002 * rail.margin, rail),
        finds=_least(lambda effect: asked.finds(usual, effect), rail.rollback_at, rail),
    )


def _least(question: Callable[[float], bool], low: float, rail: Guardrail) -> float | None:
    """The least value that is answered with yes, to two digits."""
    high = FURTHEST * rail.margin
    if not question(high):
        return None
    for _ in range(HALVINGS):
        middle = math.sqrt(max(low, 1e-3 * rail.margin) * high)
        low, high = (low, middle) if question(middle) else (middle, high)
    return high


def _paired(
    policy: ReleasePolicy, assumed: Assumed, rail: Guardrail, track: _Track, effect: float,
    luck: float,
) -> list[WindowPair]:  # fmt: skip
    """Days that lie as far on either side of their mean, one after the other."""
    days = int((track.end - policy.labels.horizon_hours) // HOURS)
    spread = assumed.spreads[rail.name]
    mean = effect + luck * spread / math.sqrt(max(days, 1))
    return [
        WindowPair.model_construct(
            start=MONDAY + timedelta(days=day),
            step=step.name,
            paired=Moments(
                n=max(1, round((b - a) * assumed.per_hour)),
                mean=mean + (spread if day % 2 else -spread),
            ),
        )
        for day, step, a, b in track.spans()
        if day < days
    ]


def _by_units(
    policy: ReleasePolicy, assumed: Assumed, rail: Guardrail, track: _Track, effect: float,
    luck: float,
) -> list[WindowPair]:  # fmt: skip
    """Users of both arms whose means differ by as much in every window; else days as in pairs."""
    days = int((track.end - policy.labels.horizon_hours) // HOURS)
    spans = [s for s in track.spans() if 0 < s[1].weight_bp < FULL_WEIGHT_BP and s[0] < days]
    sizes = []
    for _, step, a, b in spans:
        users, share = (b - a) * assumed.users_per_hour, step.weight_bp / FULL_WEIGHT_BP
        sizes.append((round(users * (1.0 - share)), round(users * share)))
    base, worse = 1.0 if rail.relative else 0.0, -1.0 if rail.direction == "up" else 1.0
    between = assumed.spreads.get(rail.name, 0.0)
    within = assumed.user_spreads.get(rail.name, 0.0)
    precision = math.fsum(na * nb / (na + nb) for na, nb in sizes if na + nb)
    error = between / math.sqrt(max(len({s[0] for s in spans}), 1))
    error = within / math.sqrt(max(precision, 1e-9)) if within else error
    mean, windows = effect + luck * error, []
    for (day, step, _, _), (na, nb) in zip(spans, sizes, strict=True):
        of_day = mean + (between if day % 2 else -between)
        arms = ((na, base), (nb, base + worse * of_day))
        champion, candidate = (
            Moments(n=n, mean=m if n else 0.0, m2=within**2 * max(n - 1, 0)) for n, m in arms
        )
        windows.append(
            WindowPair.model_construct(
                start=MONDAY + timedelta(days=day), step=step.name,
                champion_units=champion, candidate_units=candidate,
            )
        )  # fmt: skip
    return windows


def _counted(
    assumed: Assumed, rail: Guardrail, track: _Track, effect: float, luck: float
) -> list[WindowPair]:
    """Counts as they are expected, rounded so that their sums stay right."""
    spans = [s for s in track.spans() if s[1].weight_bp or rail.is_seen_when_mirrored]
    base = assumed.base_rates[rail.name]
    sizes = [_rows(assumed, *span[1:]) for span in spans]
    precision = sum(a * b / (a + b) for a, b in sizes if a and b)
    added = effect * base if rail.relative else effect
    rate = min(1.0, base + added)
    error = math.sqrt(max(base * (1.0 - base), rate * (1.0 - rate)) / max(precision, 1e-9))
    worse = min(1.0, max(0.0, rate + luck * error))
    windows, seen = [], [0.0, 0.0]
    for (day, step, _, _), (na, nb) in zip(spans, sizes, strict=True):
        alone = not step.weight_bp and not rail.relative
        first = base * (1.0 - worse) if alone else base
        second = worse * (1.0 - base) if alone else worse
        counts = []
        for place, (n, p) in enumerate(((na, first), (nb, second))):
            before = round(seen[place])
            seen[place] += n * p
            counts.append(Counts(n=n, events=min(n, round(seen[place]) - before)))
        windows.append(
            WindowPair.model_construct(
                start=MONDAY + timedelta(days=day),
                step=step.name,
                champion=counts[0],
                candidate=counts[1],
            )
        )
    return windows


def _rows(assumed: Assumed, step: Step, begin: float, end: float) -> tuple[int, int]:
    share = step.weight_bp / FULL_WEIGHT_BP if step.weight_bp else 1.0
    rows = (end - begin) * assumed.per_hour
    return round(rows), round(rows * share)
