"""Runs whose process ended together with the stack, on a real Prefect server."""

from __future__ import annotations

import os
import subprocess
import sys
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.states import Pending, Running, State

from deployments.stack.leftovers import RUN_VARIABLE, WHY, crash_lost_runs
from flows.watch import watch
from policies.errors import UnavailableError
from tasks.orchestrator.adapters.prefect import PrefectOrchestrator


@pytest.mark.parametrize("state", [Running(), Pending(name="Submitting")], ids=["ran", "began"])
def test_a_run_that_nobody_executes_has_crashed(state: State, prefect_server: None) -> None:
    """One that ran, and one that was submitted and never began; a run with a process goes on."""
    api = str(PREFECT_API_URL.value())
    name = f"watch-{uuid4().hex[:8]}"
    watch.to_deployment(name).apply()
    orchestrator = PrefectOrchestrator(api, "http://ui")
    lost, alive, waiting = (orchestrator.launch(f"watch/{name}", {}).run_id for _ in range(3))
    with get_client(sync_client=True) as client:
        for run in (lost, alive):
            client.set_flow_run_state(UUID(run), state, force=True)
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env=os.environ | {RUN_VARIABLE: alive},
    )
    try:
        assert crash_lost_runs(api) == 1
        assert crash_lost_runs(api) == 0
    finally:
        process.communicate(b"\n", timeout=30)
    found = orchestrator.run(lost)
    assert found is not None and found.state == "CRASHED"
    with get_client(sync_client=True) as client:
        told = client.read_flow_run(UUID(lost)).state
    assert told is not None and told.message == WHY
    for run, kept in ((alive, state.type.value), (waiting, "SCHEDULED")):
        seen = orchestrator.run(run)
        assert seen is not None and seen.state == kept
    assert crash_lost_runs(api) == 1  # its process has ended meanwhile


def test_a_server_that_does_not_answer_is_told() -> None:
    with pytest.raises(UnavailableError, match="Prefect stopped answering"):
        crash_lost_runs("http://127.0.0.1:9/api")
