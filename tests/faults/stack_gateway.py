"""A real gateway process for tests: small models in a store, a switch, and HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.registry.digest import hex_of, tree_digest
from tasks.traffic.adapters.flag_document import FlagDocumentRouter
from tasks.traffic.adapters.gateway import GatewayServingPlane

MODEL = "lateness"
TOKEN = "route-token"

# The answers are told apart by their scores; ``mood`` lets a test choose what goes wrong.
_CODE = """
import os, time
import mlflow, pandas as pd

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if params and params.get("features"):
            return pd.DataFrame({{"twice": model_input["x"] * 2, "mood": model_input["mood"]}})
        moods = set(model_input["mood"]) if {sensitive} else set()
        if "hang" in moods:
            time.sleep(3600)
        if "slow" in moods:
            time.sleep(0.5)
        if "crash" in moods:
            os._exit(9)
        if "hog" in moods:
            self.eaten = [bytearray(64 * 1024 * 1024) for _ in range(1000)]
        if "keep" in moods:
            self.kept = bytearray(os.urandom(1024)) * 65536
        if "raise" in moods:
            raise ValueError("cannot score this")
        if "nonsense" in moods:
            return [7.0] * len(model_input)
        return [{score} + x / 1000 for x in model_input["x"]]

mlflow.models.set_model(Model())
"""


def make_model(store: Path, score: float, *, sensitive: bool) -> str:
    """Save a model that answers ``score + x/1000`` into the store; returns its digest."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    store.mkdir(parents=True, exist_ok=True)
    folder, code = store / "making", store / "making.py"
    code.write_text(_CODE.format(score=score, sensitive=sensitive))
    columns = Schema([ColSpec(DataType.double, "x"), ColSpec(DataType.string, "mood")])
    params = ParamSchema([ParamSpec("features", DataType.boolean, False)])
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(code),
        signature=ModelSignature(columns, Schema([ColSpec(DataType.double)]), params),
        pip_requirements=[],
    )
    code.unlink()
    digest = tree_digest(folder)
    shutil.move(folder, store / hex_of(digest))
    return digest


@dataclass
class Stack:
    home: Path
    port: int
    process: subprocess.Popen[bytes]
    router: FlagDocumentRouter
    http: httpx.Client
    plane: GatewayServingPlane = field(init=False)

    def __post_init__(self) -> None:
        self.plane = GatewayServingPlane([f"http://127.0.0.1:{self.port}"], TOKEN)

    def apply(self, plan: TrafficPlan, *, seconds: float = 60.0) -> TrafficPlan:
        """Publish and wait until the gateway reports the revision."""
        published = self.router.apply(plan)
        self.wait(lambda: self.plane.observe(plan.model)[0].revision == published.revision, seconds)
        return published

    def wait(self, done: Any, seconds: float = 30.0) -> float:
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            try:
                if done():
                    return time.monotonic() - start
            except Exception:  # noqa: BLE001 - not there yet
                pass
            time.sleep(0.05)  # a busy machine needs its cores for what is waited for
        raise AssertionError(f"not within {seconds} s; gateway says {self._says()}")

    def _says(self) -> str:
        return self.http.get(f"/observe/{MODEL}").text

    def predict(self, units: list[str], mood: str = "", model: str = MODEL) -> list[dict[str, Any]]:
        rows = [{"id": f"{u}-{mood}", "unit": u, "inputs": {"x": 1.0, "mood": mood}} for u in units]
        answer = self.http.post(f"/models/{model}/predict", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        answers: list[dict[str, Any]] = answer.json()["answers"]
        return answers


def version(number: int, digest: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model=MODEL, version=str(number)), digest=digest)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gateway(home: Path, *options: str) -> Iterator[Stack]:
    """Start one, wait until it is ready, and end it (and only it) afterwards."""
    (home / "tokens.json").write_text(f'{{"route": "{TOKEN}"}}')
    port = free_port()
    command = [sys.executable, "-m", "deployments.gateway", "--home", str(home)]
    process = subprocess.Popen([*command, "--port", str(port), *options], env={**os.environ})
    router = FlagDocumentRouter(home / "flags.json")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        stack = Stack(home, port, process, router, http)
        try:
            stack.wait(lambda: http.get("/ready").status_code == 200, 60)
            yield stack
        finally:
            process.terminate()
            try:
                process.wait(15)
            finally:
                process.kill()
