"""Users differ more than models do: what they brought before tells them apart (CUPED)."""

from __future__ import annotations

import math
from datetime import timedelta
from random import Random

from deployments.cli.planning import plan_release
from policies.lifecycle import fold
from tasks.ledger.story import why
from tests.flows.memory_world import MODEL, MemoryWorld, Told
from tests.flows.test_recomputed_verdicts import recomputed

USERS, EVERY = 288, timedelta(minutes=5)  # each of them once a day
POLICY = "score-known"


def visited(world: MemoryWorld, days: int, spread: float, harm: float = 0.0) -> Told:
    """The same users every day, each with a habit of their own; then a release."""
    chance, habits = Random(20240503), Random(20240504)
    habit = {f"u{n}": habits.gauss(20, spread) for n in range(USERS)}
    world.every, world.unit_of = EVERY, lambda number: f"u{number // 5 % USERS}"
    world.earns = lambda arm, unit: habit[unit] + chance.gauss(0, 0.5) - harm * (arm == "candidate")
    world.clock.live(world.clock.moment + timedelta(days=days))
    return world.release(policy=POLICY)


def test_users_are_told_apart_by_what_they_brought_before(world: MemoryWorld) -> None:
    """Theta is settled at the opening and on record; every look is recomputed from its file."""
    told = visited(world, days=5, spread=5.0)
    assert told.ended == "RELEASED"
    frozen = fold(told.entries).frozen.adjustments["revenue"]
    assert frozen.theta > 0.9 and frozen.correlation > 0.9 and frozen.n >= 100
    assert frozen.until <= told.one("opened").at
    (opened,) = [row for row in why(told.entries) if row.what.startswith("opened")]
    assert "revenue is told apart from what each user brought before: theta 0.9" in opened.because
    assert f"learnt from {frozen.n} users" in opened.because
    assert {found.answer.value for _, found in recomputed(told)} == {"same"}


def test_without_history_nothing_is_adjusted_and_little_is_shown(world: MemoryWorld) -> None:
    """The very same users, met for the first time: too little evidence, and never a pass."""
    told = visited(world, days=0, spread=5.0)
    frozen = fold(told.entries).frozen.adjustments["revenue"]
    assert (frozen.theta, frozen.n) == (0.0, 0)
    assert told.ended == "HELD"
    (opened,) = [row for row in why(told.entries) if row.what.startswith("opened")]
    assert "revenue is not adjusted" in opened.because


def test_a_dry_run_says_what_will_not_be_adjusted(world: MemoryWorld) -> None:
    """It stops nobody: the release takes more users without."""
    plan = plan_release(world, MODEL, "2", POLICY, "erin")
    (lack,) = [lack for lack in plan.lacks if "CUPED" in lack.what]
    assert "revenue will not be adjusted" in lack.what and "0 users" in lack.what
    assert not lack.stops


def test_values_that_are_no_numbers_stop_nobody_else(world: MemoryWorld) -> None:
    """Their guardrail's comparison is broken and holds; harm that others show still rolls back."""
    world.earns = lambda arm, _: math.nan if arm == "candidate" else 20.0
    told = world.release(policy=POLICY)
    assert (told.ended, told.steps()[-1]) == ("HELD", "canary 50 %")
    assert "revenue: " in told.one("closed").payload["reason"]
    looks = [e.payload["evidence"] for e in told.entries if e.kind == "looked"]
    (broken,) = [item for item in looks[-1] if item["name"] == "revenue"]
    assert broken["status"] == "invalid" and "not finite numbers" in broken["detail"]
    assert {"quality", "errors"} <= {item["name"] for item in looks[-1]}
    assert {found.answer.value for _, found in recomputed(told)} == {"same"}


def test_harm_is_seen_through_habits(world: MemoryWorld) -> None:
    """Three less of twenty, where users differ by five."""
    told = visited(world, days=5, spread=5.0, harm=3.0)
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 50 %")
    assert "revenue is worse than 0.2 allows" in told.one("closed").payload["reason"]
