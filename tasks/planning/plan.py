"""A policy's plan: how long a release takes, what it can see, and how often it decides wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from policies.schema import ReleasePolicy, StageRules
from policies.vocabulary import FULL_WEIGHT_BP
from tasks.planning.assumed import Assumed
from tasks.planning.fates import (
    MULTIPLES,
    RARELY,
    Fate,
    Tick,
    Trial,
    at_share,
    fate,
    trials,
    voyages,
)
from tasks.planning.sight import Sight, sights
from tasks.planning.voyage import Voyage

OFTEN_ENOUGH = 0.8  # of sound candidates that a policy must promote, or it cannot work
RUNS = 50
SEED = 20130501
TOGETHER = 2  # releases of each trial between two ticks
Ended = list[list[Voyage]]
Share = Callable[[Callable[[Sequence[int]], Ended], Iterable[Sequence[int]]], Iterable[Ended]]


@dataclass(frozen=True)
class StepPlan:
    """One step as sound candidates pass it, in days; ``None`` where none did."""

    step: str
    users: float
    least_days: float
    usual_days: float | None
    most_days: float | None  # nineteen in twenty take no longer
    deadline_days: float
    requests: int  # that the candidate answers for users in the usual time


@dataclass(frozen=True)
class PolicyPlan:
    policy: str
    assumed: Assumed
    seed: int
    runs: int
    steps: tuple[StepPlan, ...]
    sights: tuple[Sight, ...]
    sound: Fate  # a candidate that is no worse in anything
    border: Fate  # one that is as bad everywhere as may not yet be rolled back
    fates: tuple[Fate, ...]
    usual_days: float | None  # to promotion
    most_days: float | None
    worst_days: float  # every step at its deadline
    held_at: tuple[tuple[str, str, float], ...]  # step, what it waited for, share of sound ones

    @property
    def works(self) -> bool:
        return self.sound.promoted >= OFTEN_ENOUGH

    @property
    def wrongly_promoted(self) -> Fate:
        """The worst of the guardrails that stand exactly at their margin."""
        return max((f for f in self.fates if f.harm == 1.0), key=lambda f: f.promoted)


def harms_of(given: Sequence[float]) -> tuple[float, ...]:
    """In order, with the margin itself: what is wrongly promoted is asked there."""
    return tuple(sorted({1.0, *given})) if given else MULTIPLES


def work_ahead(
    policy: ReleasePolicy, assumed: Assumed, runs: int, harms: Sequence[float] = MULTIPLES
) -> int:
    """How many releases will be simulated."""
    return sum(trial.runs for trial in trials(policy, assumed, runs, harms))


def make_plan(
    policy: ReleasePolicy,
    assumed: Assumed,
    runs: int,
    seed: int,
    tick: Tick,
    harms: Sequence[float] = MULTIPLES,
    share: Share = map,
) -> PolicyPlan:
    """``harms``: in margins, one of them 1; the same days and requests are drawn for each.

    ``share``: as ``map`` does it, in order, also by several processes.
    """
    asked = trials(policy, assumed, runs, harms)
    numbers = [range(first, min(first + TOGETHER, runs)) for first in range(0, runs, TOGETHER)]
    ended: list[tuple[Trial, list[Voyage]]] = [(trial, []) for trial in asked]
    for found in share(partial(voyages, policy, assumed, asked, seed), numbers):
        for (_, before), more in zip(ended, found, strict=True):
            before.extend(more)
            for _ in more:
                tick()
    fates = [fate(trial, each) for trial, each in ended]
    sound = ended[0][1]
    promoted = sorted(each.days for each in sound if each.outcome == "promoted")
    steps = _steps(policy, assumed, sound)
    usual = {each.step: each.usual_days for each in steps if each.usual_days is not None}
    return PolicyPlan(
        policy=policy.policy,
        assumed=assumed,
        seed=seed,
        runs=runs,
        steps=steps,
        sights=tuple(sights(policy, assumed, usual)),
        sound=fates[0],
        border=fates[1],
        fates=tuple(fates[2:]),
        usual_days=at_share(promoted, 0.5) if promoted else None,
        most_days=at_share(promoted, RARELY) if promoted else None,
        worst_days=sum(each.deadline_days for each in steps),
        held_at=held_at(sound),
    )


def _steps(
    policy: ReleasePolicy, assumed: Assumed, sound: Sequence[Voyage]
) -> tuple[StepPlan, ...]:
    found = []
    for step in policy.steps()[1:]:
        rules = policy.rules_for(step)
        if not isinstance(rules, StageRules):
            continue
        took = sorted(each.left[step.name] for each in sound if step.name in each.left)
        usual = at_share(took, 0.5) if took else None
        users = step.weight_bp / FULL_WEIGHT_BP
        found.append(
            StepPlan(
                step=step.name,
                users=users,
                least_days=rules.min_days,
                usual_days=usual,
                most_days=at_share(took, RARELY) if took else None,
                deadline_days=rules.deadline_days,
                requests=round((rules.min_days if usual is None else usual)
                               * users * assumed.per_day),
            )
        )  # fmt: skip
    return tuple(found)


def held_at(sound: Sequence[Voyage]) -> tuple[tuple[str, str, float], ...]:
    """Where sound candidates are held, and for what; the most frequent first."""
    counted = Counter((v.step, v.waited_for) for v in sound if v.outcome == "held")
    return tuple((*place, n / len(sound)) for place, n in counted.most_common())
