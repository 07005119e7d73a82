"""What every world of the demo keeps to, so that one replay can sail them all."""

from __future__ import annotations

from typing import get_args

import pytest

from deployments.demo.demo_world import DemoWorld
from deployments.demo.recipes import RECIPES
from deployments.demo.scenarios import SCENARIOS, World
from deployments.demo.visit_models import DESCRIPTIONS
from deployments.demo.worlds import WORLDS
from policies.loader import for_model

KINDS: dict[World, set[str]] = {"flights": set(RECIPES), "visits": set(DESCRIPTIONS)}


@pytest.mark.parametrize("world", WORLDS.values(), ids=lambda world: world.family)
def test_a_policy_of_its_own_rules_the_models_of_a_world(world: DemoWorld) -> None:
    """By their names alone: whoever launches one need not name it."""
    policy = for_model(f"{world.prefix}unfair").policy
    assert policy.policy == world.family
    assert policy.labels.time_zone == world.time_zone
    assert policy.owner == world.owner


def test_every_scenario_is_made_of_recipes_of_its_world() -> None:
    """And every world has a scenario."""
    assert set(WORLDS) == set(get_args(World)) == {each.world for each in SCENARIOS.values()}
    for scenario in SCENARIOS.values():
        assert {scenario.recipe, scenario.champion} <= KINDS[scenario.world]


def test_no_model_belongs_to_two_worlds() -> None:
    """What an interrupted demo left behind is found by the beginning of its name."""
    prefixes = [world.prefix for world in WORLDS.values()]
    assert not [a for a in prefixes for b in prefixes if a != b and a.startswith(b)]
