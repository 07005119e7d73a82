"""One suite for every orchestrator: Prefect with its server, and the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Crashed

from flows.release import release
from policies.errors import RefusedError
from tasks.orchestrator.adapters.memory import MemoryOrchestrator
from tasks.orchestrator.adapters.prefect import PrefectOrchestrator
from tasks.orchestrator.ports import Orchestrator

ASKED = {"model": "score", "version": "2", "requester": "erin"}
End = Callable[[str, str], None]


@pytest.fixture(params=["memory", "prefect"])
def orchestrated(request: pytest.FixtureRequest, prefect_server: None) -> tuple[Any, str, End]:
    """An orchestrator, a deployment of its own, and how a run comes to a state."""
    if request.param == "memory":
        memory = MemoryOrchestrator()

        def put(run_id: str, state: str) -> None:
            run = memory.run(run_id)
            assert run is not None
            memory.put("release/x", run.model_copy(update={"state": state, "state_name": state}))

        return memory, "release/x", put

    name = f"release-{uuid4().hex[:8]}"
    release.to_deployment(name).apply()
    states = {"CRASHED": Crashed, "COMPLETED": Completed}

    def force(run_id: str, state: str) -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(run_id), states[state](), force=True)

    prefect = PrefectOrchestrator(str(PREFECT_API_URL.value()), "http://ui")
    return prefect, f"release/{name}", force


def test_what_was_launched_is_found_again(orchestrated: tuple[Orchestrator, str, End]) -> None:
    """With its parameters and its name; it waits for a worker. What is None has its default."""
    orchestrator, deployment, _ = orchestrated
    launched = orchestrator.launch(deployment, ASKED | {"policy": None}, name="score v2")
    found = orchestrator.run(launched.run_id)
    assert found is not None
    assert (found.name, found.state) == ("score v2", "SCHEDULED")
    assert found.parameters == ASKED


def test_what_is_launched_under_a_key_is_launched_once(
    orchestrated: tuple[Orchestrator, str, End],
) -> None:
    """Also when the first has ended; without a key, or under another, it is a run of its own."""
    orchestrator, deployment, end = orchestrated
    first = orchestrator.launch(deployment, ASKED, key="a")
    end(first.run_id, "CRASHED")
    assert orchestrator.launch(deployment, ASKED, key="a").run_id == first.run_id
    others = {orchestrator.launch(deployment, ASKED, key=key).run_id for key in ("b", "", "")}
    assert len(others - {first.run_id}) == 3


def test_a_crashed_run_is_found_and_woken(orchestrated: tuple[Orchestrator, str, End]) -> None:
    """Woken, it is the same run, scheduled for now."""
    orchestrator, deployment, end = orchestrated
    run_id = orchestrator.launch(deployment, ASKED).run_id
    end(run_id, "CRASHED")
    crashed = orchestrator.run(run_id)
    assert crashed is not None
    assert crashed.state == "CRASHED"
    woken = orchestrator.wake(run_id)
    assert (woken.run_id, woken.state, woken.state_name) == (run_id, "SCHEDULED", "Woken")


def test_runs_are_told_newest_first_without_those_that_ended_well(
    orchestrated: tuple[Orchestrator, str, End],
) -> None:
    """Of this deployment alone."""
    orchestrator, deployment, end = orchestrated
    ids = [orchestrator.launch(deployment, ASKED).run_id for _ in range(3)]
    end(ids[1], "COMPLETED")
    assert [run.run_id for run in orchestrator.runs(deployment)] == [ids[2], ids[0]]
    assert orchestrator.runs("release/of-somebody-else") == []


def test_a_run_nobody_knows(orchestrated: tuple[Orchestrator, str, End]) -> None:
    """Asked for, it is nothing; woken, it is a refusal with advice."""
    orchestrator, _, __ = orchestrated
    assert orchestrator.run(str(uuid4())) is None
    with pytest.raises(RefusedError) as refused:
        orchestrator.wake(str(uuid4()))
    assert refused.value.advice
