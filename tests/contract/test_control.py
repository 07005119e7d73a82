"""The control service: nothing open but health, one token a scope, traffic before the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deployments.control.app import create_app
from deployments.control.openapi import operations
from policies.errors import UnavailableError
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.traffic.split import goes_to_candidate

TOKENS = {"read": "r", "route": "t", "kill": "k"}
WHY = {"reason": "wrong answers", "actor": "ann"}


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


PLAN = TrafficPlan(
    model="m", champion=version("1"), candidate=version("2"), weight_bp=2500, baseline=0.5
)


class TestWorld(World):
    __test__ = False

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.ledger = MemoryLedger()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return TestWorld(tmp_path)


@pytest.fixture
def http(world: World) -> Iterator[TestClient]:
    with TestClient(create_app(world, TOKENS.get, lambda: ())) as client:
        yield client


def bearer(scope: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[scope]}"}


DOORS = [(each.method, each.path.format(model="m", key="m"), each.token) for each in operations()]
CALLS = [(method, path, scope) for method, path, scope in DOORS if scope is not None]


def test_nothing_is_open_but_health() -> None:
    """The registry's deliveries carry no token: they are signed."""
    assert {path for _, path, scope in DOORS if scope is None} == {"/health", "/hooks/mlflow"}


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_every_door_needs_its_own_token(
    http: TestClient, method: str, path: str, scope: str
) -> None:
    """No token, a wrong one, and the token of another scope are all refused."""
    others = [bearer(other) for other in TOKENS if other != scope]
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer x"}, *others):
        assert http.request(method, path, headers=headers).status_code == 401
    with http.stream(method, path, headers=bearer(scope)) as answer:
        assert answer.status_code != 401
    assert http.get("/health").status_code == 200


def test_without_tokens_on_record_nobody_gets_in(world: World) -> None:
    with TestClient(create_app(world, lambda _: None, lambda: ())) as client:
        for given in ("Bearer ", "Bearer None", ""):
            assert client.get("/flags", headers={"authorization": given}).status_code == 401


def test_a_plan_is_recorded_and_published(http: TestClient, world: World) -> None:
    body = PLAN.model_dump(mode="json")
    answer = http.post("/models/m/plan", json=body | {"actor": "ann"}, headers=bearer("route"))
    assert answer.json()["plan"]["revision"] == 1
    assert world.router.current("m") == PLAN.model_copy(update={"revision": 1})
    assert [(entry.kind, entry.actor) for entry in world.ledger.entries()] == [("routed", "ann")]
    assert "m" in http.get("/flags", headers=bearer("read")).json()["flags"]
    wrong = http.post("/models/m/plan", json=body | {"weight_bp": 10.5}, headers=bearer("route"))
    assert wrong.status_code == 400
    assert "weight_bp" in wrong.json()["error"]


def test_a_kill_acts_before_it_is_recorded(http: TestClient, world: World) -> None:
    """A ledger that is away does not stop a kill; it is told."""
    world.router.apply(PLAN)

    class Away(MemoryLedger):
        def append(self, fact: Any) -> Any:
            raise UnavailableError("the disk is full")

    world.ledger = Away()  # type: ignore[misc]
    answer = http.post("/models/m/kill", json=WHY, headers=bearer("kill")).json()
    assert (answer["killed_to"], answer["unrecorded"]) == ("baseline", "the disk is full")
    assert world.router.killed_to("m") == "baseline"
    world.ledger = MemoryLedger()  # type: ignore[misc]
    answer = http.post("/models/m/restore", json=WHY, headers=bearer("kill")).json()
    assert (answer["killed_to"], answer["unrecorded"]) == (None, None)
    assert [entry.kind for entry in world.ledger.entries()] == ["restore"]


def test_a_kill_says_who_and_why(http: TestClient, world: World) -> None:
    world.router.apply(PLAN)
    answer = http.post("/models/m/kill", json={"actor": "ann"}, headers=bearer("kill"))
    assert (answer.status_code, world.router.killed_to("m")) == (400, None)


def test_ofrep_gives_the_same_split(http: TestClient, world: World) -> None:
    """Another service that asks per unit gets what the gateway would do."""
    world.router.apply(PLAN)
    path, headers = "/ofrep/v1/evaluate/flags/m", bearer("read")
    for unit in (f"u{number}" for number in range(50)):
        told = http.post(path, json={"context": {"targetingKey": unit}}, headers=headers).json()
        assert (told["variant"] == "candidate") is goes_to_candidate("m", unit, 2500)
        assert told["reason"] == "SPLIT"
    missing = http.post(path, json={"context": {}}, headers=headers)
    assert (missing.status_code, missing.json()["errorCode"]) == (400, "TARGETING_KEY_MISSING")
    world.router.kill("m", "error", "wrong answers", "ann")
    killed = http.post(path, json={"context": {}}, headers=headers).json()
    assert (killed["variant"], killed["reason"]) == ("error", "DISABLED")
    unknown = http.post("/ofrep/v1/evaluate/flags/none", json={"context": {}}, headers=headers)
    assert (unknown.status_code, unknown.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")


def test_a_broken_document_is_not_handed_on(http: TestClient, world: World) -> None:
    world.router.apply(PLAN)
    world.home.flags.write_text("{}")
    assert http.get("/flags", headers=bearer("read")).status_code == 503
