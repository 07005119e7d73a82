"""Several gateway processes behind one address: each tells what it serves, and one may die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from policies.errors import UnavailableError
from policies.vocabulary import TrafficPlan
from tasks.traffic.adapters.gateway import GatewayServingPlane
from tasks.traffic.moving import move_traffic
from tests.faults.stack_gateway import MODEL, TOKEN, Stack, free_port, gateway, make_model, version

pytestmark = pytest.mark.stack


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[int, list[Stack]]]:
    """Two processes of one home that share a port, and a champion with a version before it."""
    digests = [make_model(tmp_path / "store", score, sensitive=False) for score in (0.1, 0.3)]
    front = free_port()
    with ExitStack() as stack:
        shared = ("--front-port", str(front))
        both = [stack.enter_context(gateway(tmp_path, *shared)) for _ in range(2)]
        champion, previous = (version(n, digest) for n, digest in enumerate(digests, 1))
        plan = TrafficPlan(model=MODEL, champion=champion, previous=previous)
        move_traffic(both[0].router, _plane(both), plan)
        yield front, both


def _plane(stacks: list[Stack]) -> GatewayServingPlane:
    return GatewayServingPlane([f"http://127.0.0.1:{stack.port}" for stack in stacks], TOKEN)


def _ask(front: int, number: int) -> dict[str, Any]:
    """On a connection of its own: the kernel picks the process."""
    row = {"id": f"row-{number}", "unit": f"unit-{number}", "inputs": {"x": 1.0, "mood": ""}}
    url = f"http://127.0.0.1:{front}/models/{MODEL}/predict"
    answer = httpx.post(url, json={"rows": [row]}, timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["answers"][0])


def test_one_process_dies_and_the_other_answers(fleet: tuple[int, list[Stack]]) -> None:
    """Both take requests of the one address; after one was killed every request is answered."""
    front, (one, two) = fleet
    for number in range(60):
        _ask(front, number)
    rows = [stack.http.get("/health").json()["rows"] for stack in (one, two)]
    assert sum(rows) == 60
    assert min(rows) > 5
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait(10)
    assert {_ask(front, number)["variant"] for number in range(60)} == {"champion"}
    with pytest.raises(UnavailableError):  # a release advances only when all have reported
        _plane([one, two]).observe(MODEL)
    assert [each.replica for each in _plane([one, two]).heard(MODEL)] == [f"gateway-{two.port}"]


def test_a_kill_reaches_every_process(fleet: tuple[int, list[Stack]]) -> None:
    """All of them report it, and nobody gets the champion's answer any more."""
    front, both = fleet
    both[0].router.kill(MODEL, None, "drill", "test")
    plane = _plane(both)
    both[0].wait(lambda: all(each.killed_to == "previous" for each in plane.observe(MODEL)))
    assert len({each.replica for each in plane.observe(MODEL)}) == 2
    assert {_ask(front, number)["variant"] for number in range(40)} == {"previous"}
