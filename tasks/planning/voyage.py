"""One simulated release: from its shadow to its end, by the policy's own steps and looks.

Signatures are given at once and staging has passed; what is simulated is what traffic allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.vocabulary import FULL_WEIGHT_BP, Decision, Step
from tasks.planning.assumed import HOURS, Assumed
from tasks.planning.by_ratio import ByRatio
from tasks.planning.by_units import ByUnits
from tasks.planning.counted import Counted
from tasks.planning.missing import Missing
from tasks.planning.paired import Paired
from tasks.planning.streams import Stream
from tasks.planning.weighing import Cache, Judge

if TYPE_CHECKING:
    from numpy.random import Generator

Outcome = Literal["promoted", "rolled back", "held"]


@dataclass(frozen=True)
class Voyage:
    """How one release ended, ``days`` after its shadow began."""

    outcome: Outcome
    step: str
    days: float
    exposed: int  # requests that the candidate answered for users
    waited_for: str  # the guardrail that kept it, or rows; "" where nothing did
    left: Mapping[str, float]  # how many days it stood at each step that it passed


def sail(
    policy: ReleasePolicy,
    assumed: Assumed,
    harms: Mapping[str, float],
    seed: int,
    number: int,
    cache: Cache,
) -> Voyage:
    """``harms``: how many margins worse the candidate is, by guardrail; none: not at all.

    The same seed and number give the same days and requests, whatever the harm.
    """
    judge = Judge(
        policy,
        streams_of(policy, assumed, harms, seed, number),
        [(number, rail.name, harms.get(rail.name, 0.0)) for rail in policy.guardrails],
        cache,
    )
    now, exposed = 0.0, 0.0
    entered: tuple[float, ...] = ()
    left: dict[str, float] = {}
    for step in policy.steps()[1:]:
        rules = policy.rules_for(step)
        if not isinstance(rules, StageRules):
            continue
        begun, entered = now, (*entered, now)
        while True:
            after = next_look(rules, begun, now)
            for each in judge.streams:
                each.pass_time(now, after, step)
            exposed += (after - now) * assumed.per_hour * step.weight_bp / FULL_WEIGHT_BP
            now = after
            baked = now >= begun + rules.min_days * HOURS - 1e-9
            decision = judge.look(step, now, entered, baked=baked)
            if decision is Decision.ROLL_BACK:
                return _ended("rolled back", step, now, exposed, left)
            if decision is Decision.PASS:
                break
            if now >= begun + rules.deadline_days * HOURS - 1e-9:
                return _ended("held", step, now, exposed, left, judge.waits_for)
        left[step.name] = (now - begun) / HOURS
    return _ended("promoted", step, now, exposed, left)


def _ended(
    outcome: Outcome, step: Step, now: float, exposed: float, left: Mapping[str, float],
    waited_for: str = "",
) -> Voyage:  # fmt: skip
    return Voyage(outcome, step.name, now / HOURS, round(exposed), waited_for, dict(left))


def streams_of(
    policy: ReleasePolicy, assumed: Assumed, harms: Mapping[str, float], seed: int, number: int
) -> list[Stream]:
    import numpy as np

    return [
        stream(policy, rail, assumed, harms.get(rail.name, 0.0),
               np.random.default_rng([seed, number, place]))
        for place, rail in enumerate(policy.guardrails)
    ]  # fmt: skip


def stream(
    policy: ReleasePolicy, rail: Guardrail, assumed: Assumed, harm: float, rng: Generator
) -> Stream:
    """``harm``: how much worse the candidate is, in margins."""
    if rail.kind == "paired_mean":
        return Paired(policy, rail, assumed, harm, rng)
    if rail.kind in ("mean", "randomised_mean"):
        return ByUnits(policy, rail, assumed, harm, rng)
    if rail.kind == "ratio":
        return ByRatio(policy, rail, assumed, harm, rng)
    if rail.metric == "missing":
        return Missing(policy, rail, assumed, harm, rng)
    return Counted(policy, rail, assumed, harm, rng)


def next_look(rules: StageRules, begun: float, now: float) -> float:
    """As a release reckons: by the interval, but not past the end of the bake time."""
    due, baked = now + rules.look_every_hours, begun + rules.min_days * HOURS
    return min(due, baked) if now < baked - 1e-9 else due
