"""The doors of the control service: how often, how much, how slowly, and the same thing twice."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from deployments.control import body as body_module
from deployments.control.app import create_app
from deployments.control.limits import Limits, Rate
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tests.contract.live import served

TOKENS = {"read": "r", "route": "t", "kill": "k"}
WHY = {"reason": "wrong answers", "actor": "ann"}
FEW = Limits(calls=Rate(0.001, 5), wrong=Rate(0.001, 3))


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


PLAN = TrafficPlan(
    model="m", champion=version("1"), candidate=version("2"), weight_bp=2500, baseline=0.5
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.ledger = MemoryLedger()  # type: ignore[misc]
    world.router.apply(PLAN)
    return world


@pytest.fixture
def limited(world: World) -> Iterator[TestClient]:
    with TestClient(create_app(world, TOKENS.get, lambda: (), limits=FEW)) as client:
        yield client


@pytest.fixture
def http(world: World) -> Iterator[TestClient]:
    with TestClient(create_app(world, TOKENS.get, lambda: ())) as client:
        yield client


def bearer(scope: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS.get(scope, scope)}"}


def kill(http: TestClient, **changes: str) -> httpx.Response:
    return http.post("/models/m/kill", json=WHY | changes, headers=bearer("kill"))


def test_wrong_tokens_are_told_to_stop(limited: TestClient) -> None:
    """429 after a few, with the seconds to wait; whoever holds a right one is not refused."""
    codes = [limited.get("/flags", headers=bearer("guess")).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    limit = limited.get("/flags", headers=bearer("read"))
    assert limit.status_code == 200
    told = limited.post("/hooks/mlflow")  # a delivery that is not signed counts the same
    assert told.status_code == 429


def test_a_caller_in_a_loop_is_limited_and_nobody_else_is(limited: TestClient) -> None:
    """Each token and address by itself, health included."""
    for headers in (bearer("read"), bearer("route"), {}):
        codes = [limited.get("/health", headers=headers).status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
    told = limited.get("/flags", headers=bearer("read"))
    assert (told.status_code, int(told.headers["retry-after"]) > 0) == (429, True)
    assert set(told.json()) == {"error", "advice"}


def test_no_flood_takes_the_kills_turn(limited: TestClient, world: World) -> None:
    """Readers that loop and tokens that are guessed, on the kill's own door, from one address."""
    for headers in (bearer("read"), bearer("route"), bearer("guess"), {}):
        for path in ("/flags", "/models/m/kill"):
            for _ in range(20):
                limited.post(path, json=WHY, headers=headers)
    assert kill(limited).json()["killed_to"] == "baseline"
    assert world.router.killed_to("m") == "baseline"
    many = [kill(limited, reason=f"reason {number}").status_code for number in range(100)]
    assert many == [200] * 100


def test_a_plan_sent_twice_is_one_move(http: TestClient, world: World) -> None:
    """The same revision, one entry on the record."""
    plan = PLAN.model_copy(update={"weight_bp": 100}).model_dump(mode="json")
    told = [
        http.post("/models/m/plan", json=plan | {"after": 1}, headers=bearer("route"))
        for _ in range(2)
    ]
    assert [answer.json()["plan"]["revision"] for answer in told] == [2, 2]
    assert [entry.kind for entry in world.ledger.entries()] == ["routed"]


def test_an_old_plan_moves_nothing_when_it_comes_again(http: TestClient, world: World) -> None:
    """Somebody took the candidate out since: the request names the revision it was decided on."""
    old = PLAN.model_copy(update={"weight_bp": 9000}).model_dump(mode="json") | {"after": 1}
    assert http.post("/models/m/plan", json=old, headers=bearer("route")).status_code == 200
    safe = world.router.apply(TrafficPlan(model="m", champion=version("1")))
    told = http.post("/models/m/plan", json=old, headers=bearer("route"))
    assert (told.status_code, "decided at 1" in told.json()["error"]) == (409, True)
    assert world.router.current("m") == safe
    assert [entry.kind for entry in world.ledger.entries()] == ["routed"]


def test_a_kill_sent_twice_changes_nothing_and_another_only_its_reason(
    http: TestClient, world: World
) -> None:
    first, again = kill(http).json(), kill(http).json()
    assert first == again
    before = world.router.document()["flags"]["m"]  # type: ignore[attr-defined]
    kill(http, reason="and slow")
    after = world.router.document()["flags"]["m"]  # type: ignore[attr-defined]
    changed = {"rev": before["metadata"]["rev"] + 1, "kill_reason": "and slow"}
    assert after == before | {"metadata": before["metadata"] | changed}


def test_a_restore_that_comes_again_does_not_lift_a_later_kill(
    http: TestClient, world: World
) -> None:
    """With the revision of the kill it was meant for; without one it lifts whatever stands."""
    lift = WHY | {"after": kill(http).json()["plan"]["revision"]}
    assert http.post("/models/m/restore", json=lift, headers=bearer("kill")).status_code == 200
    kill(http, reason="again")
    told = http.post("/models/m/restore", json=lift, headers=bearer("kill"))
    assert (told.status_code, world.router.killed_to("m")) == (409, "baseline")
    assert http.post("/models/m/restore", json=WHY, headers=bearer("kill")).status_code == 200
    assert world.router.killed_to("m") is None


Send = Callable[[TestClient], httpx.Response]
JSON = {"content-type": "application/json"}
WRONG: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"{", JSON, 400, "no JSON"),
    (b"[]", JSON, 400, "no JSON object"),
    (b"[" * 60_000, JSON, 400, "no JSON"),
    (b'{"reason": NaN}', JSON, 400, "no JSON"),
    (b'{"reason": "\\udc00", "actor": "ann"}', JSON, 400, "no JSON"),
    (b"\xff", JSON, 400, "no JSON"),
    (b'{"reason": 7, "actor": "ann"}', JSON, 400, "reason is missing"),
    (b'{"reason": "x", "actor": "ann", "to": 7}', JSON, 400, "to is no text"),
    (b'{"reason": "x", "actor": "ann", "to": "mars"}', JSON, 409, "cannot be killed to mars"),
    (b'{"reason": "x", "actor": "ann"}', {"content-type": "text/plain"}, 415, "not called JSON"),
    (b"{" + b" " * 70_000 + b"}", JSON, 413, "too large"),
]


@pytest.mark.parametrize(("sent", "headers", "status", "said"), WRONG)
def test_a_wrong_request_is_told_plainly_and_moves_nothing(
    http: TestClient, world: World, sent: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    before = world.home.flags.read_bytes()
    told = http.post("/models/m/kill", content=sent, headers=headers | bearer("kill"))
    answer: dict[str, Any] = told.json()
    assert (told.status_code, set(answer)) == (status, {"error", "advice"})
    assert said in answer["error"]
    assert world.home.flags.read_bytes() == before
    assert not world.ledger.entries()


def test_a_body_that_never_ends_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits behind it."""
    monkeypatch.setattr(body_module, "MOST_SECONDS", 0.3)
    with served(create_app(world, TOKENS.get, lambda: ())) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            head = "POST /models/m/kill HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
            slow.sendall(f"{head}content-type: application/json\r\n".encode())
            slow.sendall(b'content-length: 1000\r\n\r\n{"rea')
            start = time.monotonic()
            assert httpx.get(f"{url}/health").status_code == 200
            assert slow.recv(4096).startswith(b"HTTP/1.1 408")
            assert time.monotonic() - start < 5
    assert world.router.killed_to("m") is None
