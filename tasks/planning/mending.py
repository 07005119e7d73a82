"""What would make a plan work that does not: one thing changed at a time, as little as helps.

Each change is tried on simulated sound releases. Traffic, deadlines and margins are tried, each
in growing sizes, and then between the last that failed and the first that helped.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.vocabulary import Stage
from tasks.planning.assumed import MEANS, Assumed, gains_in
from tasks.planning.fates import Tick
from tasks.planning.plan import OFTEN_ENOUGH, PolicyPlan
from tasks.planning.voyage import Voyage, sail
from tasks.planning.weighing import GAPS, ROWS, Cache, guardrail_of

TRIED = 25  # sound releases a change is tried on
HALVINGS = 2
DEADLINES = (1.25, 1.5, 2.0, 3.0)
TRAFFICS = (1.5, 2.0, 4.0, 8.0, 16.0)
MARGINS = (1.1, 1.25, 1.5, 2.0, 3.0)
MANY_STEPS = 2  # more than these are told together
GAINS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the margin, beyond what was wanted
Plan = tuple[ReleasePolicy, Assumed]
Made = Callable[[float], Plan]


@dataclass(frozen=True)
class Change:
    """``kind``: traffic, days, margin or gain; ``told``: as a person would say it."""

    kind: str
    factor: float
    told: str
    promoted: float  # share of sound releases, with it


def changes(
    policy: ReleasePolicy,
    assumed: Assumed,
    plan: PolicyPlan,
    seed: int,
    tick: Tick,
    tried: int = TRIED,
) -> tuple[Change, ...]:
    """The smallest of each kind that helps; none where nothing tried does.

    Deadlines change no evidence, nor does another's margin: what was weighed is kept.
    """
    cache: Cache = {}

    def promoted(made: Plan) -> float:
        if made == (policy, assumed):  # so small a change that nobody could write it down
            return 0.0
        known = cache if replace(made[1], sound=assumed.sound) == assumed else {}
        return _promoted(*made, seed, tick, tried, known)

    if not plan.held_at:
        return ()
    found = []
    for kind, sizes, made, told in _ways(policy, assumed, plan):
        change = _smallest(kind, sizes, _through(made, promoted), told)
        if change is not None:
            found.append(change)
    return tuple(sorted(found, key=lambda each: (each.kind == "gain", each.factor)))


def _through(made: Made, promoted: Callable[[Plan], float]) -> Callable[[float], float]:
    return lambda size: promoted(made(size))


def _ways(
    policy: ReleasePolicy, assumed: Assumed, plan: PolicyPlan
) -> Iterator[tuple[str, tuple[float, ...], Made, Callable[[float], str]]]:
    """What the held releases waited for says what is worth trying."""
    waited = waited_for(plan)
    held = {step for step, _, _ in plan.held_at}
    steps = tuple(step.name for step in policy.steps() if step.name in held)
    rails = [rail for rail in policy.guardrails if rail.name in waited]
    counted = [rail for rail in rails if rail.kind not in MEANS or rail.unit == "user"]
    of_gaps = any(what.endswith(GAPS) for _, what, _ in plan.held_at)  # a group has a least number
    if counted or of_gaps or ROWS in waited:
        yield (
            "traffic", TRAFFICS, lambda f: (policy, assumed.at(assumed.per_hour * f)),
            lambda f: f"traffic of {assumed.per_hour * f:,.0f}/h instead of "
                      f"{assumed.per_hour:,.0f}/h",
        )  # fmt: skip
    yield (
        "days", DEADLINES, lambda f: (with_deadlines(policy, steps, f), assumed),
        lambda f: _days_told(policy, steps, f),
    )  # fmt: skip
    if rails:
        names = tuple(rail.name for rail in rails)
        yield (
            "margin", MARGINS, lambda f: (with_margins(policy, names, f), assumed),
            lambda f: " and ".join(margin_told(rail, f) for rail in rails),
        )  # fmt: skip
    goal = gains_in(policy)
    if goal is not None and goal.name in waited:
        wanted, rail = -assumed.sound.get(goal.name, 0.0), goal

        def better(more: float) -> float:
            return two_digits((wanted + more) * rail.margin)

        yield (
            "gain", GAINS, lambda f: (policy, assumed.better(rail, better(f))),
            lambda f: f"only candidates that are better by {better(f):g} in {rail.name}",
        )  # fmt: skip


def waited_for(plan: PolicyPlan) -> set[str]:
    """What kept most of them, and whatever else kept one in ten."""
    shares: dict[str, float] = defaultdict(float)
    for _, what, share in plan.held_at:
        shares[guardrail_of(what)] += share
    return {what for what, share in shares.items() if share >= min(0.1, max(shares.values()))}


def _smallest(
    kind: str,
    sizes: tuple[float, ...],
    promoted: Callable[[float], float],
    told: Callable[[float], str],
) -> Change | None:
    failed = 0.0 if kind == "gain" else 1.0
    for size in sizes:
        share = promoted(size)
        if share < OFTEN_ENOUGH:
            failed = size
            continue
        helped = (size, share)
        for _ in range(HALVINGS):
            between = round((failed + helped[0]) / 2.0, 3)
            share = promoted(between)
            if share >= OFTEN_ENOUGH:
                helped = (between, share)
            else:
                failed = between
        return Change(kind, helped[0], told(helped[0]), helped[1])
    return None


def _promoted(
    policy: ReleasePolicy, assumed: Assumed, seed: int, tick: Tick, tried: int, cache: Cache
) -> float:
    """Share of sound releases; given up as soon as it cannot be often enough."""
    ended: list[Voyage] = []
    for number in range(tried):
        ended.append(sail(policy, assumed, assumed.sound, seed, number, cache))
        tick()
        failed = sum(each.outcome != "promoted" for each in ended)
        if tried - failed < math.ceil(OFTEN_ENOUGH * tried - 1e-9):
            return 0.0
    return 1.0 - failed / tried


def with_deadlines(policy: ReleasePolicy, steps: tuple[str, ...], factor: float) -> ReleasePolicy:
    """The same policy with later deadlines at these steps."""
    changed: dict[str, Any] = {}
    ramp = list(policy.ramp)
    for step in policy.steps():
        if step.name not in steps:
            continue
        later = {"deadline_days": _later(policy.rules_for(step).deadline_days, factor)}
        if step.stage is Stage.RAMP:
            ramp = [
                each.model_copy(update=later) if each.weight_bp == step.weight_bp else each
                for each in ramp
            ]
        else:
            changed[step.stage.value] = policy.rules_for(step).model_copy(update=later)
    return policy.model_copy(update={**changed, "ramp": tuple(ramp)})


def with_margins(policy: ReleasePolicy, names: tuple[str, ...], factor: float) -> ReleasePolicy:
    """The same policy with wider margins of these guardrails, and of their groups and gaps."""
    rails = tuple(
        _wider(rail, factor) if rail.name in names else rail for rail in policy.guardrails
    )
    return policy.model_copy(update={"guardrails": rails})


def _wider(rail: Guardrail, factor: float) -> Guardrail:
    changed: dict[str, Any] = {"margin": two_digits(rail.margin * factor)}
    if rail.segments is not None:
        margin = two_digits(rail.segments.margin * factor)
        changed["segments"] = rail.segments.model_copy(update={"margin": margin})
    if rail.gap is not None:
        margin = two_digits(rail.gap.margin * factor)
        changed["gap"] = rail.gap.model_copy(update={"margin": margin})
    return rail.model_copy(update=changed)


def two_digits(value: float) -> float:
    """As a person would write it into a policy."""
    return float(f"{value:.2g}")


def _later(days: float, factor: float) -> float:
    return float(-(-days * factor // 1)) if days >= 1.0 else days * factor


def _days_told(policy: ReleasePolicy, names: tuple[str, ...], factor: float) -> str:
    if len(names) > MANY_STEPS:
        return f"{factor:.3g} times the deadlines of {', '.join(names)}"
    rules = [(s, policy.rules_for(s)) for s in policy.steps() if s.name in names]
    parts = [
        f"{step.name} may take {_later(each.deadline_days, factor):g} days instead of "
        f"{each.deadline_days:g}"
        for step, each in rules
        if isinstance(each, StageRules)
    ]
    return ", ".join(parts)


def margin_told(rail: Guardrail, factor: float) -> str:
    told = f"{rail.name} with a margin of {two_digits(rail.margin * factor):g} instead of "
    told += f"{rail.margin:g}"
    parts = [
        f"its {what} {two_digits(block.margin * factor):g} instead of {block.margin:g}"
        for what, block in (("groups", rail.segments), ("gaps", rail.gap))
        if block is not None
    ]
    return f"{told} ({', '.join(parts)})" if parts else told
