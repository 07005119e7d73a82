"""A run's process dies at the worst moments; the next run ends the release all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from policies.lifecycle import INTENTS
from tasks.connections import use
from tasks.orchestrator.adapters.prefect import PrefectOrchestrator
from tests.flows.memory_world import MemoryWorld, Moment, ProcessDied, Told, carry_on, deploy, die

ID, SHORT = "rel-5109a1e0", "score-short"
BETTER: dict[str, Any] = {"slope": 2.0}
HARMFUL: dict[str, Any] = {"slope": 2.0, "fails_from_bp": 3000}
DEATHS = [
    (BETTER, Moment("after", "entering", "canary 30 %")),  # traffic not yet moved
    (BETTER, Moment("before", "entered", "canary 30 %")),  # traffic moved, nobody knows
    (BETTER, Moment("before", "looked", "full")),
    (BETTER, Moment("after", "promoting")),
    (BETTER, Moment("before", "promoted")),  # switch and alias have moved
    (BETTER, Moment("after", "closed")),  # no document yet
    (HARMFUL, Moment("before", "containing")),  # contained, and nothing written
    (HARMFUL, Moment("after", "containing")),
    (HARMFUL, Moment("after", "contained")),
    (HARMFUL, Moment("after", "quarantined")),
    (HARMFUL, Moment("after", "incident")),  # nobody paged yet
]
OF_A_NEW_RUN = ("attached",)


def _world(home: Path, candidate: dict[str, Any]) -> MemoryWorld:
    world = MemoryWorld(home)
    world.register("1", slope=0.7)
    world.register("2", **candidate)
    world.adopt("1")
    return world


@pytest.fixture(scope="module")
def undisturbed(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[MemoryWorld, Told]]]:
    """How the two releases end when nothing happens to their process."""
    ended = {}
    for candidate in (BETTER, HARMFUL):
        world = _world(tmp_path_factory.mktemp("undisturbed"), candidate)
        with use(world):
            ended[str(candidate)] = (world, world.release(release_id=ID, policy=SHORT))
    yield ended


@pytest.mark.parametrize(("candidate", "moment"), DEATHS, ids=[str(m) for _, m in DEATHS])
def test_the_next_run_ends_the_release_as_if_nothing_had_happened(
    candidate: dict[str, Any],
    moment: Moment,
    undisturbed: dict[str, tuple[MemoryWorld, Told]],
    tmp_path: Path,
) -> None:
    """Same outcome, same traffic, same record, same messages; every effect once."""
    calm, expected = undisturbed[str(candidate)]
    world = _world(tmp_path, candidate)
    with use(world):
        world.ledger.at(moment, die)
        with pytest.raises(ProcessDied):
            world.release(release_id=ID, policy=SHORT)
        told = world.release(release_id=ID, policy=SHORT)
    assert told.ended == expected.ended
    assert world.router.published == calm.router.published
    assert world.alias == calm.alias
    assert _effects(told) == _effects(expected)
    assert told.steps() == expected.steps()
    assert [m.title for m in world.notifier.sent] == [m.title for m in calm.notifier.sent]
    assert told.one("closed").payload["exposed_requests"] == _exposed(expected)
    assert world.ledger.verify() == len(world.ledger.entries())


def test_a_run_that_crashed_inside_the_incident_is_woken_and_goes_on(
    prefect_server: None, tmp_path: Path
) -> None:
    """The same flow run starts again, as the watcher would have it, its subflows as well."""
    world = _world(tmp_path, HARMFUL)
    world.ledger.at(Moment("after", "incident"), die)
    orchestrator = PrefectOrchestrator(str(PREFECT_API_URL.value()), "")
    with use(world):
        run_id = deploy(policy=SHORT)
        with pytest.raises(ProcessDied):
            carry_on(run_id)
        assert _state(orchestrator, run_id) == ("CRASHED", "Crashed")
        orchestrator.wake(run_id)
        assert _state(orchestrator, run_id) == ("SCHEDULED", "Woken")
        told = world.told(carry_on(run_id))
    assert told.ended == "ROLLED BACK"
    assert "attached" not in told.kinds()
    for kind in ("contained", "quarantined", "incident", "closed"):
        told.one(kind)
    assert len([m for m in world.notifier.sent if m.kind == "page"]) == 1


def _state(orchestrator: PrefectOrchestrator, run_id: str) -> tuple[str, str]:
    run = orchestrator.run(run_id)
    assert run is not None
    return run.state, run.state_name


def _effects(told: Told) -> Counter[str]:
    return Counter(kind for kind in told.kinds() if kind not in (*INTENTS, *OF_A_NEW_RUN))


def _exposed(told: Told) -> int:
    return int(told.one("closed").payload["exposed_requests"])
