"""A real Prefect server once a session; a fresh world in memory for every story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import settings
from prefect.testing.utilities import prefect_test_harness

from tasks.connections import use
from tests.flows.memory_world import MemoryWorld

IDLE = (  # services of the server that nobody here asks
    "EVENT_PERSISTER", "FOREMAN", "LATE_RUNS", "SCHEDULER", "PAUSE_EXPIRATIONS",
    "CANCELLATION_CLEANUP", "TASK_RUN_RECORDER", "TRIGGERS",
)  # fmt: skip
START_SECONDS = 240  # a busy machine needs a minute to migrate the server's database


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    quiet = {
        settings.PREFECT_LOGGING_LEVEL: "ERROR",
        settings.PREFECT_LOGGING_TO_API_ENABLED: False,
        settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # each run waits a second for its last
    } | {getattr(settings, f"PREFECT_SERVER_SERVICES_{name}_ENABLED"): False for name in IDLE}
    with (
        settings.temporary_settings(quiet),
        prefect_test_harness(server_startup_timeout=START_SECONDS),
    ):
        yield


@pytest.fixture
def empty_world(prefect_server: None, tmp_path: Path) -> Iterator[MemoryWorld]:
    """Version 1 is registered and serves nobody."""
    world = MemoryWorld(tmp_path)
    world.register("1", slope=0.7)
    with use(world):
        yield world


@pytest.fixture
def world(empty_world: MemoryWorld) -> MemoryWorld:
    """Version 1 has served for two days; version 2 is better."""
    empty_world.register("2", slope=2.0)
    empty_world.adopt("1")
    return empty_world
