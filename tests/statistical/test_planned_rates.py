"""What a policy's plan prints is what releases under it would do.

The plan leaves out looks that cannot change anything and weighs each guardrail once. Here the same
releases are looked at without any of that, and others are drawn by code of their own.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from policies.loader import find
from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.verdict import judge
from policies.vocabulary import Decision, Moments, Step, WindowPair
from tasks.evidence.step import weigh_step
from tasks.planning.assumed import HOURS, MONDAY, Given, assume
from tasks.planning.fates import trials, voyages
from tasks.planning.streams import Stream
from tasks.planning.voyage import next_look, streams_of
from tasks.planning.weighing import Judge
from tests.unit.planning.planned_policy import COST, ERRORS, GAP_OF_TWO, SILENCE, planned_policy

QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.03, rollback_at=0.012,
    weight=1.0, information=10_000, why="test",
)  # fmt: skip
SPREAD = 0.04


def _nervous(alpha: float) -> ReleasePolicy:
    """A budget so wide that false rollbacks can be counted."""
    low = find("low").policy
    budget = low.budget.model_copy(update={"rollback_alpha": alpha, "promote_beta": alpha})
    daily = {"look_every_hours": 24.0, "min_days": 1.0, "min_rows": 0}
    return low.model_copy(
        update={
            "guardrails": (QUALITY,), "ramp": (), "budget": budget,
            **{name: getattr(low, name).model_copy(update=daily)
               for name in ("shadow", "canary", "full", "soak")},
        }
    )  # fmt: skip


def _ended(policy: ReleasePolicy, effect: float, rng: np.random.Generator) -> str:
    """One release of daily looks, by the day: written without a line of the planner."""
    means = rng.normal(effect, SPREAD, size=200)
    windows: list[WindowPair] = []
    day = 0
    for step in policy.steps()[1:]:
        rules = policy.rules_for(step)
        assert isinstance(rules, StageRules)
        stood: list[WindowPair] = []
        for looked in range(1, math.ceil(rules.deadline_days) + 1):
            start = MONDAY + timedelta(days=day)
            paired = Moments(n=2400, mean=float(means[day]), m2=0.0)
            stood.append(WindowPair(start=start, step=step.name, paired=paired))
            day += 1
            known = [*windows, *stood][:-1]  # the last day's labels come tomorrow
            told = judge(policy, step, weigh_step(policy, step, {QUALITY.name: known}))
            if told.decision is Decision.ROLL_BACK:
                return "rolled back"
            if told.decision is Decision.PASS:
                break
            if looked >= rules.deadline_days:
                return "held"
        windows += stood
    return "promoted"


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "trial"), [(0.45, 0), (0.45, 1), (0.3, 3), (0.05, 4)])
def test_the_plan_agrees_with_releases_drawn_independently(alpha: float, trial: int) -> None:
    """Sound, at rollback_at (the false-rollback rate that is printed), at the margin and worse:
    every outcome within three standard errors of both simulations together."""
    policy, runs = _nervous(alpha), 160
    assumed = assume(policy, Given(100.0, day_spreads={"": SPREAD}))
    asked = trials(policy, assumed, runs)[trial]
    (sailed,) = voyages(policy, assumed, [asked], 1, range(runs))
    planned = [each.outcome for each in sailed]
    rng = np.random.default_rng(20130503)
    effect = asked.harms.get(QUALITY.name, 0.0) * QUALITY.margin
    drawn = [_ended(policy, effect, rng) for _ in range(runs)]
    for outcome in ("rolled back", "promoted", "held"):
        ours, theirs = planned.count(outcome) / runs, drawn.count(outcome) / runs
        middle = (ours + theirs) / 2
        slack = 3.0 * math.sqrt(2.0 * max(middle * (1.0 - middle), 1 / runs) / runs)
        assert abs(ours - theirs) <= slack, (outcome, ours, theirs)


def _plainly(policy: ReleasePolicy, step: Step, streams: list[Stream]) -> Decision:
    """The look as the flow takes it, but for its checks."""
    seen = [each for each in streams if each.rail.is_due_at(step)]
    windows = {part.rail.name: part.windows for each in seen for part in each.parts}
    decision = judge(policy, step, weigh_step(policy, step, windows)).decision
    rules = policy.rules_for(step)
    least = rules.min_rows if isinstance(rules, StageRules) else 0
    rows = [rows for each in streams if (rows := each.rows_at(step)) is not None]
    if decision is Decision.PASS and min(rows, default=0) < least:
        return Decision.HOLD
    return decision


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "per_hour", "harms"),
    [
        ("low", 300.0, {}),
        ("low", 300.0, {"errors": 0.9}),
        ("low", 300.0, {"slow answers": 0.6}),
        ("medium", 1000.0, {"quality": 0.4, "slow answers": 0.5}),
        ("flight-delay", 38.0, {"slow answers": 1.0}),
        ("heard", 400.0, {}),
        ("heard", 400.0, {"cost": 0.7}),
        ("heard", 400.0, {"silence": 0.8}),
    ],
)
def test_looks_that_are_settled_early_end_as_the_flow_would_end_them(
    name: str, per_hour: float, harms: dict[str, float]
) -> None:
    """Look by look beside weigh_step and judge, on the same days: the same decision, but for a
    rollback or a pass that comes at most two looks later."""
    heard = name == "heard"  # a gap, a ratio, and users who post nothing
    policy = planned_policy(GAP_OF_TWO, ERRORS, COST, SILENCE) if heard else find(name).policy
    policy = policy.model_copy(update={"goal": None})
    rates = {"": 0.02} | ({"silence": 0.6} if heard else {})
    assumed = assume(policy, Given(per_hour, rates, {"": 0.02}, {"cost": 0.8} if heard else {}))
    for number in range(1):
        streams = streams_of(policy, assumed, harms, 7, number)
        ours = Judge(policy, streams, [rail.name for rail in policy.guardrails], {})
        now, entered, late = 0.0, (), 0  # type: ignore[var-annotated]
        for step in policy.steps()[1:]:
            rules = policy.rules_for(step)
            assert isinstance(rules, StageRules)
            begun, entered = now, (*entered, now)
            while True:
                after = next_look(rules, begun, now)
                for each in streams:
                    each.pass_time(now, after, step)
                now = after
                baked = now >= begun + rules.min_days * HOURS - 1e-9
                for each in streams:
                    each.see(now)
                    each.tell()
                plainly = _plainly(policy, step, streams)
                found = ours.look(step, now, entered, baked=baked)
                if plainly is Decision.PASS and not baked:
                    plainly = Decision.HOLD
                late = late + 1 if found is not plainly else 0
                assert found in (plainly, Decision.HOLD) and late <= 2, (step.name, now)
                if found is not Decision.HOLD or now >= begun + rules.deadline_days * HOURS:
                    break
            if found is not Decision.PASS:
                break
