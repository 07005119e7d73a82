"""A release judged by the champion's own quantile of the days before it."""

from __future__ import annotations

import pytest

from deployments.cli.planning import plan_release
from policies.errors import RefusedError
from policies.lifecycle import fold
from tests.flows.memory_world import MODEL, MemoryWorld, Takes
from tests.flows.test_recomputed_verdicts import recomputed


def took(candidate: float) -> Takes:
    """Five to fourteen milliseconds, evenly; so many times as long for the candidate."""

    def of(arm: str, number: int) -> float:
        return (5.0 + number // 20 % 10) * (candidate if arm == "candidate" else 1.0)

    return of


@pytest.fixture
def timed(world: MemoryWorld) -> MemoryWorld:
    world.takes = took(1.0)
    world.clock.live(world.clock.moment + world.every * 100)  # answers that took their time
    return world


def test_a_candidate_as_fast_as_the_champion_is_released(timed: MemoryWorld) -> None:
    """What late means is on the ledger from the opening on, and every look is recomputed."""
    told = timed.release(policy="score-prompt")
    assert told.ended == "RELEASED"
    frozen = fold(told.entries).frozen.thresholds["lateness"]
    assert 12.0 <= frozen.above <= 12.13
    assert frozen.until == told.one("opened").at and (frozen.until - frozen.since).days == 2
    assert {found.answer.value for _, found in recomputed(told)} == {"same"}


def test_a_candidate_that_is_late_too_often_is_rolled_back(timed: MemoryWorld) -> None:
    timed.takes = took(3.0)
    told = timed.release(policy="score-prompt")
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")
    assert told.one("containing").payload["reason"].startswith("lateness is worse than 0.1 allows")


def test_without_answers_of_the_days_before_nothing_is_opened(world: MemoryWorld) -> None:
    """Refused with a sentence, by a dry run too; no threshold would fit every model."""
    del world.telemetry.predictions[:]
    plan = plan_release(world, MODEL, "2", "score-prompt", "erin")
    assert any("0 answers in the 2 days" in lack.what for lack in plan.lacks)
    with pytest.raises(RefusedError, match="0 answers in the 2 days before the release"):
        world.try_release(policy="score-prompt").result()
    assert not [entry for entry in world.ledger.entries() if entry.kind == "opened"]
