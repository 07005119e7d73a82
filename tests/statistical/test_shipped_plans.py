"""Every shipped tier works at the traffic that its own first lines name, and not far below it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from policies.loader import CATALOG, find
from policies.schedule import schedule
from tasks.planning.assumed import MONDAY, Given, assume, simulated
from tasks.planning.fates import Trial, fate, voyages
from tasks.planning.mending import changes
from tasks.planning.plan import OFTEN_ENOUGH, SEED, PolicyPlan, held_at
from tasks.planning.sight import sights

NO_AT_MOST = {"errors": 0.01, "slow answers": 0.01}
MEANT_FOR = {
    "low": Given(30.0),
    "medium": Given(200.0),
    "high": Given(2000.0),
    "regulated": Given(10_000.0, NO_AT_MOST),
    "flight-delay": Given(38.0, NO_AT_MOST, gain=0.03),  # a summer month's gain is .035
    "doctor-visits": Given(30.0, {"errors": 0.01}, gain=0.035),  # that of knowing health too
}
TOO_LITTLE = {"low": 3.0, "medium": 20.0, "high": 200.0, "regulated": 500.0}
RUNS = 40


def plan_of_sound_ones(name: str, given: Given, runs: int) -> PolicyPlan:
    policy = find(name).policy
    assumed = assume(policy, given)
    trial = Trial("", 0.0, 0.0, assumed.sound, runs)
    (ended,) = voyages(simulated(policy, assumed), assumed, [trial], SEED, range(runs))
    sound = fate(trial, ended)
    return PolicyPlan(
        name, assumed, SEED, runs, (), (), sound, sound, (), None, None, 0.0, held_at(ended)
    )


@pytest.mark.parametrize("tier", ["low", "medium", "high", "regulated"])
def test_every_step_can_show_what_it_asks_by_its_deadline(tier: str) -> None:
    """The margins of quality tighten no faster than information grows: with the luck of one
    release in five, if the steps before took no longer than they must."""
    policy = find(tier).policy
    took = {each.step.name: (each.passes - each.opens) / timedelta(days=1)
            for each in schedule(policy, MONDAY)}  # fmt: skip
    assumed = assume(policy, Given(10_000.0, {"": 0.01}))
    quality = tuple(rail for rail in policy.guardrails if rail.kind == "paired_mean")
    found = sights(policy.model_copy(update={"guardrails": quality}), assumed, took)
    assert len(found) == len(policy.steps()) - 1
    short = [s.step for s in found if s.asks is None or s.shows is None or s.shows > s.asks]
    assert short == []


@pytest.mark.parametrize("tier", list(TOO_LITTLE))
def test_a_tier_says_which_traffic_it_is_meant_for(tier: str) -> None:
    """In its first lines, as the command that plans with it."""
    head = (CATALOG / f"{tier}.yaml").read_text().split("policy:")[0]
    assert f"seatrial policy plan {tier} --traffic {MEANT_FOR[tier].per_hour:.0f}/h" in head


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MEANT_FOR))
def test_a_shipped_policy_works_with_the_traffic_it_is_meant_for(name: str) -> None:
    """At least four in five sound candidates are promoted, beyond the Monte Carlo error."""
    plan = plan_of_sound_ones(name, MEANT_FOR[name], RUNS)
    assert plan.sound.promoted >= OFTEN_ENOUGH + 0.1, plan.held_at


@pytest.mark.slow
@pytest.mark.parametrize("tier", list(TOO_LITTLE))
def test_a_tenth_of_it_is_refused_and_the_traffic_that_is_enough_is_named(tier: str) -> None:
    """What is named is more than was given, and no more than the tier is meant for."""
    told = MEANT_FOR[tier]
    plan = plan_of_sound_ones(tier, Given(TOO_LITTLE[tier], told.base_rates), 10)
    assert not plan.works
    policy = simulated(find(tier).policy, plan.assumed)
    found = {each.kind: each for each in changes(policy, plan.assumed, plan, SEED, lambda: None,
                                                 10)}  # fmt: skip
    enough = plan.assumed.per_hour * found["traffic"].factor
    assert plan.assumed.per_hour < enough <= 2.0 * told.per_hour
