"""A business metric stops a candidate that other guardrails like; silence passes nobody."""

from __future__ import annotations

import math
from datetime import timedelta
from random import Random

from tests.flows.memory_world import MemoryWorld, Told
from tests.flows.test_recomputed_verdicts import recomputed


def brings(champion: float, candidate: float) -> dict[str, float]:
    return {"champion": champion, "candidate": candidate}


def released(world: MemoryWorld, earned: dict[str, float], policy: str = "score-paid") -> Told:
    chance = Random(20240501)
    if earned:
        world.earns = lambda arm, _: earned[arm] + chance.gauss(0, 1)
    return world.release(policy=policy)


def reasons(told: Told) -> list[str]:
    looks = [e.payload["verdict"]["judged"] for e in told.entries if e.kind == "looked"]
    return [item["reason"] for judged in looks for item in judged if item["name"] == "revenue"]


def test_a_candidate_that_brings_as_much_is_released(world: MemoryWorld) -> None:
    """Judged from the canary on, by units that both models answered on the same day."""
    told = released(world, brings(10.0, 10.0))
    assert told.ended == "RELEASED"
    assert any("revenue is not worse than" in reason for reason in reasons(told))


def test_a_candidate_that_brings_less_is_rolled_back(world: MemoryWorld) -> None:
    """Better predictions that nobody pays for."""
    told = released(world, brings(10.0, 2.0))
    assert told.ended == "ROLLED BACK"
    assert "revenue is worse than 1 allows" in told.one("closed").payload["reason"]
    assert told.steps()[-1] == "canary 30 %"


def test_a_metric_that_nobody_posts_passes_nobody(world: MemoryWorld) -> None:
    """Not enough evidence, until the deadline withdraws the candidate."""
    told = released(world, {})
    assert told.ended == "HELD"
    assert told.steps()[-1] == "canary 30 %"
    assert set(told.verdicts("canary 30 %")) == {"HOLD"}
    assert all("too little to say" in reason for reason in reasons(told))


def costing(world: MemoryWorld, cost: dict[str, float]) -> Told:
    chance = Random(20240502)
    world.metric, world.every = "cost", timedelta(minutes=5)
    world.earns = lambda arm, _: cost[arm] + chance.gauss(0, 1)
    return world.release(policy="score-costly")


def test_a_candidate_that_costs_as_much_a_request_is_released(world: MemoryWorld) -> None:
    """Two sums a user, compared as one ratio; every look is recomputed from its file."""
    told = costing(world, brings(10.0, 10.0))
    assert told.ended == "RELEASED"
    looks = [e.payload["evidence"] for e in told.entries if e.kind == "looked"]
    (cost,) = [item for item in looks[-1] if item["name"] == "cost"]
    assert cost["unit"] == "users" and "linearised at 1" in cost["method"]
    assert {found.answer.value for _, found in recomputed(told)} == {"same"}


def test_a_candidate_whose_requests_are_dearer_is_rolled_back(world: MemoryWorld) -> None:
    told = costing(world, brings(10.0, 12.0))
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")
    assert "cost is worse than 0.05 allows" in told.one("closed").payload["reason"]


def test_values_that_stay_away_from_one_arm_are_harm_of_their_own(world: MemoryWorld) -> None:
    """What did come says that all is well: half of the candidate's users are never heard of."""
    world.lost = lambda arm, number: arm == "candidate" and number % 40 == 0
    told = released(world, brings(10.0, 10.0), policy="score-heard")
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")
    assert "silence is worse than 0.05 allows" in told.one("closed").payload["reason"]


def test_values_that_stay_away_from_both_alike_are_none(world: MemoryWorld) -> None:
    world.lost = lambda arm, number: number % 100 == 0
    told = released(world, brings(10.0, 10.0), policy="score-heard")
    assert told.ended == "RELEASED"


def test_values_that_are_no_numbers_hide_no_other_guardrail(world: MemoryWorld) -> None:
    """What counts who was heard of holds; quality and errors are weighed as ever."""
    world.earns = lambda arm, _: math.nan if arm == "candidate" else 10.0
    told = world.release(policy="score-heard")
    assert (told.ended, told.steps()[-1]) == ("HELD", "canary 30 %")
    last = [e.payload["evidence"] for e in told.entries if e.kind == "looked"][-1]
    states = {item["name"]: item["status"] for item in last}
    assert states["silence"] == "invalid"
    assert states["quality"] == "ok" and states["errors"] != "invalid"
