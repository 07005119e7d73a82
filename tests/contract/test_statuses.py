"""Every status that the OpenAPI documents declare is one that somebody has really been given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from starlette.testclient import TestClient

from deployments.control import body, push
from deployments.control.app import create_app as control_app
from deployments.control.limits import LIMITS, Limits, Rate
from deployments.control.openapi import operations as control_operations
from deployments.control.openapi import written as control_written
from deployments.gateway.app import create_app as gateway_app
from deployments.gateway.gateway import Gateway
from deployments.gateway.openapi import operations as gateway_operations
from deployments.gateway.openapi import written as gateway_written
from deployments.gateway.options import Options
from deployments.openapi import EVENTS, Operation
from policies.errors import UnavailableError
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.orchestrator.clock import ReplayClock
from tasks.traffic.adapters.flag_document import FlagDocumentRouter
from tests.contract.live import served
from tests.contract.test_hooks import EVENT, signed

TOKENS = {"read": "r", "route": "t", "kill": "k", "hook": "the hook's own"}
WHY = {"reason": "wrong answers", "actor": "ann"}
JSON = {"content-type": "application/json"}
UNIT = {"context": {"targetingKey": "u"}}
ROWS = {"rows": [{"id": "1", "unit": "u", "inputs": {}}]}
PLAN: dict[str, Any] = {"champion": None, "baseline": 0.25}
OPERATIONS = {"control": control_operations(), "gateway": gateway_operations()}
WRITTEN = {"control": control_written(), "gateway": gateway_written()}
ELSEWHERE = {
    # a model has to be loaded for it
    ("/models/{model}/variants/{variant}/score", 200): "tests/faults/test_gateway_process.py",
}
Ask = Callable[..., httpx.Response]


class Shown:
    """Asks as one operation is written down; keeps which status came; holds it to its schema."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.statuses: set[tuple[str, int]] = set()
        self._schema = schemathesis.openapi.from_dict(WRITTEN[service])

    def ask(self, http: httpx.Client, operation: Operation, **changes: Any) -> httpx.Response:
        path = operation.path.format(model="m", variant="champion", key="m")
        wanted = changes.pop("expect", None)
        path = changes.pop("path", path)
        headers = {"authorization": f"Bearer {TOKENS.get(operation.token or '', 'none')}"}
        headers |= changes.pop("headers", {})
        with http.stream(operation.method, path, headers=headers, **changes) as answer:
            if not operation.never_ends or answer.status_code != 200:
                answer.read()
        assert wanted is None or answer.status_code == wanted, (path, answer.text)
        answer.request = httpx.Request(operation.method, answer.request.url)  # a stream is gone
        if answer.is_stream_consumed:
            self._schema[operation.path][operation.method].validate_response(answer)
        else:
            assert answer.headers["content-type"] == EVENTS
        self.statuses.add((operation.path, answer.status_code))
        return answer

    def every(self, http: httpx.Client, status: int, **changes: Any) -> None:
        """Each operation that declares this status gives it to this request."""
        for operation in OPERATIONS[self.service]:
            if status in operation.answers:
                self.ask(http, operation, expect=status, **changes)

    def declared(self) -> set[tuple[str, int]]:
        return {
            (each.path, status) for each in OPERATIONS[self.service] for status in each.answers
        } - ELSEWHERE.keys()


def by_path(service: str) -> dict[str, Operation]:
    return {each.path: each for each in OPERATIONS[service]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.ledger = MemoryLedger()  # type: ignore[misc]
    world.router = FlagDocumentRouter(tmp_path / "flags.json", lock_seconds=0.05)  # type: ignore[misc]
    version = TrafficVariant(ref=ModelRef(model="m", version="1"), digest="sha256:" + "1" * 64)
    other = TrafficVariant(ref=ModelRef(model="m", version="2"), digest="sha256:" + "2" * 64)
    world.router.apply(TrafficPlan(model="m", champion=version, candidate=other, baseline=0.5))
    return world


@contextmanager
def control(world: World, limits: Limits = LIMITS) -> Iterator[TestClient]:
    with TestClient(control_app(world, TOKENS.get, lambda: (), limits=limits)) as http:
        yield http


def test_the_control_service_gives_every_status_it_declares(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Shown("control")
    _reads_and_moves(shown, world)
    with control(world) as http:
        shown.every(http, 401, headers={"authorization": "Bearer wrong"})
        shown.every(http, 413, content=b" " * (body.MOST_BYTES + 1))
        shown.every(http, 415, content=b"{}", headers={"content-type": "text/plain"})
    monkeypatch.setattr(body, "MOST_SECONDS", 0.05)
    with served(control_app(world, TOKENS.get, lambda: ())) as url, httpx.Client(base_url=url) as c:
        shown.ask(c, by_path("control")["/flags/events"], expect=200)
        shown.every(c, 408, content=Slow(), headers={"content-type": "application/json"})
    never = Rate(0.001, 1)
    with control(world, Limits(never, never, never)) as http:
        for scope in ("", "read", "route", "kill"):
            http.get("/health", headers={"authorization": f"Bearer {TOKENS.get(scope, '')}"})
        shown.every(http, 429)
    _away(shown, world, monkeypatch)
    assert shown.statuses == shown.declared()


def _reads_and_moves(shown: Shown, world: World) -> None:
    on = by_path("control")
    with control(world) as http:
        for path in ("/health", "/openapi.json", "/metrics", "/flags"):
            shown.ask(http, on[path], expect=200)
        for path in ("/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/{key}"):
            shown.ask(http, on[path], expect=200, json=UNIT)
            shown.ask(http, on[path], expect=400, json={})
        every, one = on["/ofrep/v1/evaluate/flags"], on["/ofrep/v1/evaluate/flags/{key}"]
        shown.ask(http, every, expect=304, json=UNIT, headers={"if-none-match": "*"})
        shown.ask(http, one, expect=404, json=UNIT, path="/ofrep/v1/evaluate/flags/none")
        fits = {"plan": PLAN, "kill": WHY, "restore": WHY}
        for name, sent in fits.items():
            move = on[f"/models/{{model}}/{name}"]
            shown.ask(http, move, expect=200, json=sent)
            shown.ask(http, move, expect=400, json={})
            shown.ask(http, move, expect=404, json=sent, path=f"/models/a%2Fb/{name}")
            wrong = {"after": 99, "baseline": 0.5} if name == "plan" else {}
            model = "m" if name == "plan" else "none"
            shown.ask(http, move, expect=409, json=sent | wrong, path=f"/models/{model}/{name}")
        hook = on["/hooks/mlflow"]
        event = httpx.Request("POST", "http://x", json=EVENT).content
        about_nothing = signed(b"{}", "d-2", TOKENS["hook"])
        shown.ask(
            http, hook, expect=202, content=event, headers=signed(event, secret=TOKENS["hook"])
        )
        shown.ask(http, hook, expect=200, content=b"{}", headers=about_nothing)


class Slow(httpx.SyncByteStream):
    """A body that pauses before it ends; again for each request."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"{"
        time.sleep(0.3)
        yield b"}"


class Away(MemoryLedger):
    def append(self, fact: Any) -> Any:
        raise UnavailableError("the disk is full")


def _away(shown: Shown, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record, the writers' lock, the document."""
    moves = [each for each in control_operations() if 503 in each.answers and each.token != "read"]
    world.ledger = Away()  # type: ignore[misc]
    with control(world) as http, open(world.home.path / "flags.lock", "w") as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        for move in moves:
            shown.ask(
                http,
                move,
                expect=503,
                json=PLAN | {"baseline": 0.75} if move.token == "route" else WHY,
            )
    world.home.flags.write_text("{}")
    monkeypatch.setattr(push, "MOST_LISTENERS", 0)
    with control(world) as http:
        for each in control_operations():
            if 503 in each.answers and each not in moves:
                shown.ask(http, each, expect=503, **({"json": UNIT} if each.asks else {}))


def test_the_gateway_gives_every_status_it_declares(world: World) -> None:
    shown, on = Shown("gateway"), by_path("gateway")
    world.router.apply(TrafficPlan(model="m", champion=None, baseline=0.25))
    world.router.apply(TrafficPlan(model="lost", champion=None, baseline=0.25))
    gateway = Gateway(Options(world.home.path, "g-1"), ReplayClock(world.home.path / "clock"))
    app = gateway_app(gateway, lambda: TOKENS["route"])
    shown.ask(TestClient(app), on["/ready"], expect=503)
    with TestClient(app) as http:
        _wait(lambda: http.get("/ready").status_code == 200)
        for path in ("/health", "/ready", "/openapi.json", "/metrics", "/observe/{model}"):
            shown.ask(http, on[path], expect=200)
        shown.ask(http, on["/observe/{model}"], expect=404, path="/observe/none")
        sent: dict[str, dict[str, Any]] = {
            "predict": ROWS, "outcomes": {"outcomes": [{"id": "1", "label": 1}]},
            "variants/champion/score": {"rows": [{}]},
        }  # fmt: skip
        for name, fitting in sent.items():
            asked = on["/models/{model}/" + name.replace("champion", "{variant}")]
            if name.endswith("score"):
                shown.ask(http, asked, expect=409, json=fitting)
                shown.ask(http, asked, expect=401, json=fitting, headers={"authorization": ""})
            else:
                shown.ask(http, asked, expect=200, json=fitting)
                _lose_the_clock(world, "m")
                shown.ask(http, asked, expect=503, json=fitting)
                (world.home.path / "clock" / "m.json").unlink()
            shown.ask(http, asked, expect=400, json={})
            shown.ask(http, asked, expect=404, json=fitting, path=f"/models/none/{name}")
        shown.every(http, 413, content=b" " * (Options.request_bytes + 1), headers=JSON)
        shown.every(http, 415, content=b"{}", headers={"content-type": "text/plain"})
    hasty = Gateway(
        Options(world.home.path, "g-2", body_seconds=0.05), ReplayClock(world.home.path / "clock")
    )
    with (
        served(gateway_app(hasty, lambda: TOKENS["route"])) as url,
        httpx.Client(base_url=url) as http,
    ):
        shown.every(http, 408, content=Slow(), headers=JSON)
    assert shown.statuses == shown.declared()


def _lose_the_clock(world: World, model: str) -> None:
    (world.home.path / "clock").mkdir(exist_ok=True)
    (world.home.path / "clock" / f"{model}.json").write_text("{")


def _wait(done: Callable[[], bool]) -> None:
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("the gateway is not ready")
