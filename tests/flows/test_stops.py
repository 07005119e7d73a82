"""People and other runs step in: a kill, a rollback, an abort, a run that takes over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from deployments.cli import releasing
from deployments.control import switch
from deployments.demo.fleet import MODELS, abort_leftovers
from tasks.ledger.record import note
from tests.flows.memory_world import MODEL, Happening, MemoryWorld, Moment, Told

CANARY, SHORT = "canary 30 %", "score-short"


def kill(world: MemoryWorld) -> None:
    switch.kill(world, MODEL, None, "it smells", "ada")


def roll_back(world: MemoryWorld) -> None:
    releasing.rollback(MODEL, reason="it smells", actor="ada")


def abort(world: MemoryWorld) -> None:
    live = releasing.live_release_of(world, MODEL)
    where = {"release_id": live.release_id, "model": MODEL}
    now = world.clock.now(MODEL)
    note(world.ledger, "abort_asked", {"reason": "it smells"}, at=now, actor="ada", **where)


STOPS = [
    (kill, "kill", "ROLLED BACK", "Killed by ada: it smells", True),
    (roll_back, "rollback_asked", "ROLLED BACK", "Rolled back by ada: it smells", True),
    (abort, "abort_asked", "ABORTED", "Aborted by ada: it smells", False),
]


@pytest.mark.parametrize(
    ("stop", "kind", "ended", "reason", "quarantined"), STOPS, ids=[s[1] for s in STOPS]
)
def test_a_person_ends_a_release_in_the_middle_of_a_step(
    stop: Callable[[MemoryWorld], None],
    kind: str,
    ended: str,
    reason: str,
    quarantined: bool,
    world: MemoryWorld,
) -> None:
    """At once, not at the next look; with the person's name and reason on the record."""
    world.happenings.append(Happening(CANARY, lambda: stop(world)))
    told = world.release(policy=SHORT)
    assert told.ended == ended
    assert told.state.message == reason
    assert told.one("containing").at == told.one(kind).at
    assert told.verdicts(CANARY) == []
    assert ("quarantined" in told.kinds()) == quarantined
    assert ("incident" in told.kinds()) == quarantined
    assert world.alias == "score v1"
    if kind == "kill":
        assert world.router.killed_to(MODEL) == "error"
        switch.restore(world, MODEL, "looked into", "ada")
    _candidate_is_out(world)


def test_a_kill_while_a_step_is_entered_ends_the_release(world: MemoryWorld) -> None:
    """The switch refuses the step's plan; the run goes on to what follows a kill."""
    world.ledger.at(Moment("after", "entering", CANARY), lambda: kill(world))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert CANARY not in told.steps()
    assert CANARY not in [plan.step for plan in world.router.published]


def test_a_kill_before_the_promotion_is_seen_is_stronger(world: MemoryWorld) -> None:
    """Every gate had passed, and still the champion stays."""
    world.ledger.at(Moment("after", "promoting"), lambda: kill(world))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert "promoted" not in told.kinds()
    assert world.alias == "score v1"
    switch.restore(world, MODEL, "looked into", "ada")
    _candidate_is_out(world)


@pytest.mark.parametrize("moment", ["a wait", "between intent and traffic"])
def test_a_run_that_lost_its_lease_touches_nothing_more(moment: str, world: MemoryWorld) -> None:
    """A second run took the release over: the first one's next move is refused, and it ends."""
    seen: dict[str, int] = {}

    def taken_over() -> None:
        release_id = world.ledger.entries()[-1].release_id or ""
        now = datetime.now(UTC)
        world.ledger.take_lease(release_id, "another run", now, timedelta(minutes=10))
        seen["entries"] = len(world.ledger.entries())
        seen["plans"] = len(world.router.published)

    if moment == "a wait":
        world.happenings.append(Happening(CANARY, taken_over))
    else:
        world.ledger.at(Moment("after", "entering", CANARY), taken_over)
    told = world.release(policy=SHORT)
    assert told.ended == "TAKEN OVER"
    assert told.state.is_completed()
    assert not [e.kind for e in world.ledger.entries()[seen["entries"] :] if e.move]
    published = [plan.step for plan in world.router.published[seen["plans"] :]]
    # Traffic already intended may still move, to the very plan that the other run intends too.
    assert published == ([] if moment == "a wait" else [CANARY])
    assert told.steps("entering")[-1] == CANARY


def test_a_zombie_wakes_up_after_another_run_has_finished_the_release(world: MemoryWorld) -> None:
    """What the other run did stands: outcome, traffic and alias."""
    ends: list[Told] = []

    def whole_other_run() -> None:
        release_id = world.ledger.entries()[-1].release_id
        ends.append(world.release(release_id=release_id))

    world.happenings.append(Happening(CANARY, whole_other_run))
    zombie = world.release(policy=SHORT)
    assert [told.ended for told in ends] == ["RELEASED"]
    assert zombie.ended == "TAKEN OVER"
    assert zombie.entries == ends[0].entries
    assert world.alias == "score v2"
    assert world.plan.champion is not None
    assert world.plan.champion.digest == world.digest("2")


def _candidate_is_out(world: MemoryWorld) -> None:
    plan = world.plan
    assert plan.champion is not None
    assert plan.champion.digest == world.digest("1")
    assert (plan.weight_bp, plan.mirror) == (0, False)


def test_what_an_interrupted_demo_left_is_aborted(world: MemoryWorld) -> None:
    """Once, and only releases of the demo's models: a team's own are not its to end."""
    left: list[list[str]] = []

    def again() -> None:
        for models in (MODELS, (MODEL,), (MODEL,)):
            left.append([state.release_id for state in abort_leftovers(world, models)])

    world.happenings.append(Happening(CANARY, again))
    told = world.release(policy=SHORT)
    assert left == [[], [told.release_id], []]
    assert told.ended == "ABORTED"
    assert told.state.message == "Aborted by system:demo: its demo was interrupted"
