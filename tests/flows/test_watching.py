"""The watcher finds releases whose run was lost, and they end as they should."""

from __future__ import annotations

import pytest

from flows.watch import watch
from tasks.orchestrator.ports import Run
from tasks.orchestrator.task import RELEASE_DEPLOYMENT
from tests.flows.memory_world import MODEL, MemoryWorld, Moment, ProcessDied, Told, die

CANARY = "canary 30 %"


@pytest.fixture
def lost(world: MemoryWorld) -> MemoryWorld:
    """The process of a release has died in the canary."""
    world.ledger.at(Moment("before", "looked", CANARY), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    return world


@pytest.mark.parametrize("state", ["RUNNING", "SCHEDULED", "PENDING"])
def test_a_run_that_is_well_is_left_alone(state: str, lost: MemoryWorld) -> None:
    """Its lease is fresh, or it is due later: nothing is done and nothing recorded."""
    _put(lost, state)
    before = lost.ledger.entries()
    watch()
    assert lost.ledger.entries() == before
    assert lost.orchestrator.runs(RELEASE_DEPLOYMENT) == [_run(lost)]


def test_a_crashed_run_is_woken(lost: MemoryWorld) -> None:
    """The same run starts again: it is the same release."""
    _put(lost, "CRASHED")
    watch()
    assert _run(lost).state_name == "Woken"
    assert lost.ledger.entries()[-1].payload["act"] == "wake"
    watch()
    assert [e.kind for e in lost.ledger.entries()].count("watched") == 1


def test_a_missing_run_is_replaced_and_the_release_goes_on(lost: MemoryWorld) -> None:
    """The orchestrator has lost its memory, the ledger has not."""
    told = _taken_over(lost)
    assert told.ended == "RELEASED"
    assert told.one("watched").payload["act"] == "adopt"
    told.one("attached")
    assert lost.alias == "score v2"


def test_one_run_at_a_time_is_launched_to_take_a_release_over(lost: MemoryWorld) -> None:
    """The worker is busy, and the watcher comes every minute."""
    watch()
    watch()
    assert [e.kind for e in lost.ledger.entries()].count("watched") == 2
    assert len(lost.orchestrator.runs(RELEASE_DEPLOYMENT)) == 1


def test_a_cancelled_run_aborts_its_release(lost: MemoryWorld) -> None:
    """Who cancels a run in Prefect wants the candidate out, not a release nobody looks after."""
    _put(lost, "CANCELLED")
    told = _taken_over(lost)
    assert told.ended == "ABORTED"
    assert told.one("abort_asked").payload["reason"] == "the run was cancelled in Prefect"
    assert (lost.plan.candidate, lost.plan.weight_bp) == (None, 0)
    assert lost.alias == "score v1"


def test_a_run_lost_in_its_last_seconds_still_leaves_its_documents(world: MemoryWorld) -> None:
    """The release is closed, but nobody has been told and nothing is on paper."""
    world.ledger.at(Moment("after", "closed"), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    told = _taken_over(world)
    assert told.ended == "RELEASED"
    assert [e.payload["name"] for e in told.entries if e.kind == "document"] == [
        "model_card",
        "deployment_record",
    ]
    assert world.notifier.sent[-1].kind == "complete"
    before = world.ledger.entries()
    watch()
    assert world.ledger.entries() == before


def _taken_over(world: MemoryWorld) -> Told:
    """One round of the watcher, and the run it launched, to its end."""
    watch()
    launched = world.orchestrator.runs(RELEASE_DEPLOYMENT)[0]
    assert launched.parameters["release_id"]
    return world.told(world.try_release(**launched.parameters))


def _put(world: MemoryWorld, state: str) -> None:
    run = Run(run_id=_run_id(world), name="score v2", state=state, state_name=state, due=None)
    world.orchestrator.put(RELEASE_DEPLOYMENT, run)


def _run(world: MemoryWorld) -> Run:
    run = world.orchestrator.run(_run_id(world))
    assert run is not None
    return run


def _run_id(world: MemoryWorld) -> str:
    opened = next(e for e in world.ledger.entries(model=MODEL) if e.kind == "opened")
    return str(opened.payload["run_id"])
