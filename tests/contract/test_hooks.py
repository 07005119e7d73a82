"""The registry's webhook: only a signed, young, new delivery has anybody look, and no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography.fernet import Fernet
from starlette.testclient import TestClient

from deployments.control.app import create_app
from deployments.control.hooks import REGISTER
from policies.errors import UnavailableError
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.orchestrator.adapters.memory import MemoryOrchestrator

SECRET = "the hook's own"
EVENT = {
    "entity": "model_version", "action": "created", "timestamp": "2026-05-01T12:00:00+00:00",
    "data": {"name": "m", "version": "2", "source": "models:/1", "run_id": None,
             "tags": {"seatrial.release": "requested"}, "description": None},
}  # fmt: skip


class Hooked(World):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.ledger = MemoryLedger()
        self.orchestrator: MemoryOrchestrator = MemoryOrchestrator()


@pytest.fixture
def world(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path)


@pytest.fixture
def http(world: Hooked) -> Iterator[TestClient]:
    with TestClient(create_app(world, {"hook": SECRET}.get, lambda: ())) as client:
        yield client


def signed(
    body: bytes, delivery: str = "d-1", secret: str = SECRET, age: float = 0.0
) -> dict[str, str]:
    """As MLflow signs it."""
    stamp = str(int(time.time() - age))
    content = f"{delivery}.{stamp}.".encode() + body
    mark = base64.b64encode(hmac.digest(secret.encode(), content, hashlib.sha256)).decode()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": f"v1,{mark}",
    }


def post(http: TestClient, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    answer = http.post("/hooks/mlflow", content=body, headers=headers)
    return answer.status_code, answer.json()


def looks(world: Hooked, wanted: int) -> int:
    """How many looks were launched, once as many as wanted are there or the time is up."""
    until = time.monotonic() + (2.0 if wanted else 0.2)
    while time.monotonic() < until and len(world.orchestrator.runs(REGISTER)) < max(wanted, 1):
        time.sleep(0.01)
    return len(world.orchestrator.runs(REGISTER))


BODY = json.dumps(EVENT).encode()


def test_a_signed_delivery_has_the_registry_looked_at_and_nothing_else(
    http: TestClient, world: Hooked
) -> None:
    """Nothing of its body is passed on; a second delivery of the same id does nothing."""
    assert post(http, BODY, signed(BODY)) == (202, {"hint": "taken"})
    assert looks(world, 1) == 1
    assert [run.parameters for run in world.orchestrator.runs(REGISTER)] == [{}]
    assert world.ledger.entries() == []
    assert post(http, BODY, signed(BODY)) == (200, {"hint": "seen before"})
    assert looks(world, 0) == 1


def test_a_burst_of_hints_is_one_look(http: TestClient, world: Hooked) -> None:
    """A look that has not begun sees all of it; one that has begun is followed by another."""
    for number in range(5):
        assert post(http, BODY, signed(BODY, f"d-{number}"))[0] == 202
    assert looks(world, 2) == 1
    begin(world)
    assert post(http, BODY, signed(BODY, "d-9"))[0] == 202
    assert looks(world, 2) == 2


def begin(world: Hooked) -> None:
    """A worker has taken the look up."""
    for run in world.orchestrator.runs(REGISTER):
        running = run.model_copy(update={"state": "RUNNING", "state_name": "Running"})
        world.orchestrator.put(REGISTER, running)


FORGED: list[tuple[str, Callable[[dict[str, str]], dict[str, str]]]] = [
    ("no headers", lambda _: {}),
    ("another secret", lambda _: signed(BODY, secret="guessed")),
    ("late", lambda _: signed(BODY, age=301)),
    ("from the future", lambda _: signed(BODY, age=-302)),
    ("of another body", lambda _: signed(BODY + b" ")),
    ("under another id", lambda h: h | {"X-MLflow-Delivery-Id": "d-9"}),
    ("at another time", lambda h: h | {"X-MLflow-Timestamp": str(int(time.time()) + 5)}),
    ("no number of seconds", lambda h: h | {"X-MLflow-Timestamp": "now"}),
    ("another version", lambda h: h | {"X-MLflow-Signature": "v2" + h["X-MLflow-Signature"][2:]}),
    ("no signature", lambda h: h | {"X-MLflow-Signature": ""}),
    ("no id", lambda h: h | {"X-MLflow-Delivery-Id": ""}),
]


@pytest.mark.parametrize(("name", "forge"), FORGED, ids=[name for name, _ in FORGED])
def test_what_is_forged_or_late_changes_nothing(
    http: TestClient, world: Hooked, name: str, forge: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    """Refused alike, so that nobody learns what was wrong."""
    code, said = post(http, BODY, forge(signed(BODY)))
    assert (code, said["error"]) == (401, "Not authorised.")
    assert looks(world, 0) == 0


def test_without_a_secret_on_record_nobody_gets_in(world: Hooked) -> None:
    with TestClient(create_app(world, lambda _: None, lambda: ())) as client:
        assert post(client, BODY, signed(BODY, secret=""))[0] == 401
        assert post(client, BODY, signed(BODY, secret="None"))[0] == 401


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b'{"entity": "prompt"}',
        b'{"entity": [1]}',
        b'{"entity": "model_version_tag", "data": {"key": "owner"}}',
    ],
)
def test_what_is_not_about_a_version_is_answered_and_left(
    http: TestClient, world: Hooked, body: bytes
) -> None:
    assert post(http, body, signed(body)) == (200, {"hint": "not about a version"})
    assert looks(world, 0) == 0


def test_a_large_body_is_refused_before_it_is_read_whole(http: TestClient) -> None:
    body = b" " * (64 * 1024 + 1)
    assert post(http, body, signed(body))[0] == 413


def test_a_hint_that_comes_to_nothing_is_told_in_health(http: TestClient, world: Hooked) -> None:
    """Prefect is away: the registry was answered at once, and polling will find it."""

    class Away(MemoryOrchestrator):
        def launch(self, *_: Any, **__: Any) -> Any:
            raise UnavailableError("Prefect is not reachable.")

    world.orchestrator = Away()  # type: ignore[misc]
    assert post(http, BODY, signed(BODY))[0] == 202
    until = time.monotonic() + 2
    while not http.get("/health").json()["hook_fault"] and time.monotonic() < until:
        time.sleep(0.01)
    assert http.get("/health").json()["hook_fault"] == "Prefect is not reachable."


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def control(world: Hooked) -> Iterator[str]:
    """The control service on loopback, for a server that really calls it."""
    port = free_port()
    app = create_app(world, {"hook": SECRET}.get, lambda: ())
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/hooks/mlflow"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[str]:
    """A real MLflow, told that it may call plain HTTP on loopback: by itself it calls neither."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    command += ["--artifacts-destination", str(tmp_path / "artefacts")]
    told = {
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    with (tmp_path / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=tmp_path, env={**os.environ, **told}
        )
        try:
            until = time.monotonic() + 240
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert time.monotonic() < until and server.poll() is None
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.stack
def test_a_real_registry_calls(mlflow: str, control: str, world: Hooked) -> None:
    """Registered once, MLflow's own deliveries are signed as they are checked here."""
    from mlflow import MlflowClient

    client = MlflowClient(mlflow, mlflow)
    client.create_webhook(
        name="seatrial", url=control, secret=SECRET,
        events=["model_version.created", "model_version_tag.set", "model_version_alias.created"],
    )  # fmt: skip
    client.create_registered_model("m")
    client.create_model_version("m", "s3://nowhere/m", tags={"seatrial.release": "requested"})
    until = time.monotonic() + 60
    while not world.orchestrator.runs(REGISTER) and time.monotonic() < until:
        time.sleep(0.05)
    assert [run.parameters for run in world.orchestrator.runs(REGISTER)] == [{}]
    begin(world)
    client.set_model_version_tag("m", "1", "seatrial.requester", "erin")
    while len(world.orchestrator.runs(REGISTER)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(world.orchestrator.runs(REGISTER)) == 2
