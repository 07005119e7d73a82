"""The flag document as a stream: every change arrives, and a wrong document never does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from deployments.control.app import create_app
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import World
from tests.faults.stack_gateway import free_port

SERVING = TrafficPlan(
    model="m",
    champion=TrafficVariant(ref=ModelRef(model="m", version="1"), digest="sha256:" + "1" * 64),
    baseline=0.2,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    port = free_port()
    app = create_app(world, lambda scope: f"{scope}-token", lambda: ())
    config = uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}/flags/events"
    server.should_exit = True
    thread.join(10)


def told(address: str, number: int) -> Iterator[dict[str, Any]]:
    """The documents of the next events, as they come."""
    headers = {"authorization": "Bearer read-token"}
    with httpx.stream("GET", address, headers=headers, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
                number -= 1
            if number == 0:
                return


def test_every_change_is_pushed(world: World, address: str) -> None:
    """First the document as it is, then each new one, within moments of its publication."""
    world.router.apply(SERVING)
    events = told(address, 3)
    assert next(events)["flags"]["m"]["metadata"]["rev"] == 1
    start = time.monotonic()
    world.router.kill("m", "error", "drill", "ann")
    killed = next(events)["flags"]["m"]
    assert time.monotonic() - start < 5
    assert (killed["defaultVariant"], killed["metadata"]["rev"]) == ("error", 2)
    world.router.restore("m", "ann")
    assert next(events)["flags"]["m"]["metadata"]["rev"] == 3


def test_a_wrong_document_is_not_pushed(world: World, address: str) -> None:
    """Whoever listens keeps the last good one, and gets the next good one."""
    world.router.apply(SERVING)
    events = told(address, 2)
    assert next(events)["flags"]["m"]["metadata"]["rev"] == 1
    world.home.flags.write_text("{}")
    time.sleep(0.2)
    world.router.kill("m", "error", "drill", "ann")
    assert next(events)["flags"]["m"]["metadata"]["rev"] == 2


@pytest.mark.parametrize("scope", [None, "kill", "route"])
def test_only_readers_listen(address: str, scope: str | None) -> None:
    """The document names versions and shares: not for everybody."""
    headers = {"authorization": f"Bearer {scope}-token"} if scope else {}
    assert httpx.get(address, headers=headers, timeout=10).status_code == 401
