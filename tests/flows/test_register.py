"""Versions that are tagged in the registry are released: once each, and no others."""

from __future__ import annotations

import pytest

from flows.register import register
from policies.vocabulary import Entry, ModelRef
from tasks.orchestrator.ports import Run
from tasks.orchestrator.task import RELEASE_DEPLOYMENT
from tests.flows.memory_world import MODEL, MemoryWorld, Moment, ProcessDied, die


def ask(world: MemoryWorld, version: str = "2", requester: str = "erin") -> None:
    ref = ModelRef(model=MODEL, version=version)
    world.registry.tag(ref, "seatrial.release", "requested")
    if requester:
        world.registry.tag(ref, "seatrial.requester", requester)


def launched(world: MemoryWorld) -> list[Run]:
    return list(world.orchestrator.runs(RELEASE_DEPLOYMENT))


def recorded(world: MemoryWorld) -> list[Entry]:
    return [e for e in world.ledger.entries(model=MODEL) if e.kind == "release_requested"]


def test_a_tagged_version_is_launched_once_and_released(world: MemoryWorld) -> None:
    """However often the registry is looked at, and whatever a webhook says."""
    ask(world)
    register()
    register()
    (run,) = launched(world)
    assert run.parameters == {"model": MODEL, "version": "2", "requester": "erin"}
    (fact,) = recorded(world)
    assert fact.payload == {
        "version": "2", "requester": "erin", "run_id": run.run_id,
        "release_id": f"rel-{run.run_id[:8]}",
    }  # fmt: skip
    tags = world.registry.fetch(ModelRef(model=MODEL, version="2")).tags
    assert tags["seatrial.release_id"] == fact.payload["release_id"]
    assert world.release(**run.parameters).ended == "RELEASED"
    register()
    assert len(launched(world)) == 1 and len(recorded(world)) == 1


def test_versions_without_the_tag_are_left_alone(world: MemoryWorld) -> None:
    world.registry.tag(ModelRef(model=MODEL, version="2"), "seatrial.release", "perhaps")
    world.registry.tag(ModelRef(model=MODEL, version="1"), "seatrial.requester", "erin")
    register()
    assert launched(world) == [] and recorded(world) == []


def test_a_request_that_names_nobody_waits(world: MemoryWorld) -> None:
    """Who asks for a release may not sign it: so it must be known who asks."""
    ask(world, requester="")
    register()
    assert launched(world) == []
    ask(world)
    register()
    assert len(launched(world)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_launches_nothing_twice(world: MemoryWorld, when: str) -> None:
    """The process ends between the launch and its record, or right after it."""
    ask(world)
    world.ledger.at(Moment(when, "release_requested"), die)  # type: ignore[arg-type]
    with pytest.raises(ProcessDied):
        register()
    register()
    register()
    assert len(launched(world)) == 1 and len(recorded(world)) == 1


def test_requests_of_one_model_take_turns(world: MemoryWorld) -> None:
    """The second waits for the first to open, to end, or to fail before it opened."""
    world.register("3", slope=2.0)
    ask(world, "3")
    ask(world, "2")
    register()
    register()
    (first,) = launched(world)
    assert first.parameters["version"] == "2"
    failed = first.model_copy(update={"state": "FAILED", "state_name": "Failed"})
    world.orchestrator.put(RELEASE_DEPLOYMENT, failed)
    register()
    assert [run.parameters["version"] for run in launched(world)] == ["3", "2"]


def test_a_model_that_nothing_serves_waits_for_its_champion(empty_world: MemoryWorld) -> None:
    empty_world.register("2", slope=2.0)
    ask(empty_world)
    register()
    assert launched(empty_world) == []
    empty_world.adopt("1")
    register()
    assert len(launched(empty_world)) == 1
