"""Two hands on one switch: whatever the order, the safer one wins."""

from __future__ import annotations

from policies.lifecycle import LIFECYCLE_VERSION
from policies.vocabulary import TrafficPlan
from tasks.ledger.record import champions, live_releases, note
from tasks.traffic.moving import plan_without_candidate
from tests.flows.memory_world import MODEL, Happening, MemoryWorld, Moment

SHORT, CANARY = "score-short", "canary 30 %"


def take_out(world: MemoryWorld) -> None:
    """What `seatrial rollback` does first: the switch, and then the record."""
    state = live_releases(world.ledger, MODEL)[0]
    world.router.apply(plan_without_candidate(state))
    now = world.clock.now(MODEL)
    where = {"release_id": state.release_id, "model": MODEL}
    note(world.ledger, "rollback_asked", {"reason": "smoke"}, at=now, actor="ada", **where)


def reached_users(plans: list[TrafficPlan]) -> list[str]:
    return [plan.step for plan in plans if plan.candidate is not None and plan.weight_bp > 0]


def test_a_rollback_between_the_decision_and_the_traffic_keeps_the_candidate_out(
    world: MemoryWorld,
) -> None:
    """The run had decided to go on; the switch refuses a plan older than the rollback."""
    world.ledger.at(Moment("after", "entering", CANARY), lambda: take_out(world))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert reached_users(world.router.published) == []
    assert world.plan.candidate is None


def test_a_stop_after_the_promotion_gives_the_champion_back(world: MemoryWorld) -> None:
    """Promoted but not closed: the stop is stronger, and alias and expectation follow it."""
    world.ledger.at(Moment("after", "promoted"), lambda: take_out(world))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert world.alias == "score v1"
    champion = world.plan.champion
    assert champion is not None and champion.ref.version == "1"
    assert [item.digest for item in champions(world.ledger)] == [champion.digest]


def test_a_kill_that_nobody_recorded_is_found_on_the_switch(world: MemoryWorld) -> None:
    """The ledger was away when it was killed: the release ends all the same, on the record."""

    def killed() -> None:
        world.router.kill(MODEL, None, "smoke", "ada")

    world.happenings.append(Happening(CANARY, killed))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert "kill" in told.kinds()


def test_a_release_opened_by_other_versions_can_still_be_stopped(
    world: MemoryWorld,
) -> None:
    """Newer code neither goes on with it nor keeps it from being rolled back."""
    from flows import steps

    before = dict(steps.VERSIONS)

    def newer() -> None:
        steps.VERSIONS["lifecycle"] = f"{LIFECYCLE_VERSION}+1"
        take_out(world)

    world.happenings.append(Happening(CANARY, newer))
    try:
        told = world.release(policy=SHORT)
    finally:
        steps.VERSIONS.update(before)
    assert told.ended == "ROLLED BACK"
