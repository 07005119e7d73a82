"""Users differ more than models do: what they brought before tells them apart (CUPED)."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from policies.lifecycle import fold
from tasks.ledger.story import why
from tests.flows.memory_world import MemoryWorld, Told
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
    assert f"revenue is adjusted by what {frozen.n} users brought before" in opened.because
    assert {found.answer.value for _, found in recomputed(told)} == {"same"}


def test_without_history_nothing_is_adjusted_and_little_is_shown(world: MemoryWorld) -> None:
    """The very same users, met for the first time: too little evidence, and never a pass."""
    told = visited(world, days=0, spread=5.0)
    frozen = fold(told.entries).frozen.adjustments["revenue"]
    assert (frozen.theta, frozen.n) == (0.0, 0)
    assert told.ended == "HELD"
    (opened,) = [row for row in why(told.entries) if row.what.startswith("opened")]
    assert "revenue is not adjusted" in opened.because


def test_harm_is_seen_through_habits(world: MemoryWorld) -> None:
    """Three less of twenty, where users differ by five."""
    told = visited(world, days=5, spread=5.0, harm=3.0)
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 50 %")
    assert "revenue is worse than 0.2 allows" in told.one("closed").payload["reason"]
