"""A whole embedded stack for tests: brought up and asked through the real command."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from deployments.demo.people import ENGINEER, write_people
from deployments.stack.parts import mark, parts
from deployments.stack.processes import marked
from policies.lifecycle import Release
from tasks.connections import World
from tasks.ledger.record import live_releases, recall

PROGRAM = str(Path(sys.executable).parent / "seatrial")
MODEL = "tiny"

# Each version is one curve over x; ``RAISES`` and ``DIES`` go wrong when asked and when loaded.
_CODE = """
import math
import mlflow, pandas as pd

{at_load}

class Tiny(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        {at_call}
        if params and params.get("features"):
            return pd.DataFrame({{"double": model_input["x"] * 2}})
        return [1 / (1 + math.exp(-{slope} * x)) for x in model_input["x"]]

mlflow.models.set_model(Tiny())
"""
RAISES = "raise ValueError('this cannot score')"
DIES = "raise ImportError('a library is missing')"

POLICY = """
policy: quick
tier: low
why: A made-up model, so that commands can be tried within seconds.
owner: tests
applies_to: [tiny]
labels: {independent_of_answer: true, cluster: day, time_zone: UTC, horizon_hours: 0.0001,
         min_maturity: 0.5, min_mirror_coverage: 0.5}
budget: {rollback_alpha: 0.05, promote_beta: 0.1, min_clusters: 3}
staging:
  min_days: 0
  look_every_hours: 1
  deadline_days: 3
  sample_rows: 100
  min_labelled_rows: 50
  contract:
    - {type: expect_column_values_to_not_be_null, kwargs: {column: x}}
  scores: {log_loss_margin: 0.5, brier_margin: 0.5, calibration_margin: 0.9,
           slice_log_loss_margin: 0.9}
  parity: {feature_share_moved: 0.01, score_tolerance: 0.000001, score_share_moved: 0.01}
  serving: {latency_ratio: 50, latency_floor_ms: 50, memory_mb: 2000}
shadow: {min_days: 3, look_every_hours: 24, deadline_days: 9, margin_factor: 2}
canary: {weight_bp: 3000, min_days: 2, look_every_hours: 24, deadline_days: 6, margin_factor: 2}
full: {min_days: 1, look_every_hours: 24, deadline_days: 3}
soak: {min_days: 1, look_every_hours: 24, deadline_days: 3}
guardrails:
  - {name: quality, kind: paired_mean, metric: log_loss, margin: 0.05, rollback_at: 0.02,
     weight: 1, information: 2000, why: The score must stay as good as it was.}
approvals:
  - {gate: shadow, roles: {reviewer: 1}, expires_hours: 72}
fallback: [previous, error]
incident: {sev1_from_bp: 7500, sev2_from_bp: 5000, on_call: nobody, runbook: none}
"""


@dataclass
class Ran:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        assert "Traceback" not in self.err, self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def seatrial(home: Path, *words: str, timeout: float = 240) -> Ran:
    """The real command, in a process of its own."""
    done = subprocess.run(
        [PROGRAM, "--home", str(home), *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": "200"},
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def begin(*words: str, home: Path, told: IO[Any]) -> subprocess.Popen[bytes]:
    """A command that goes on; it hears Ctrl-C also where the tests run in the background."""
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [PROGRAM, "--home", str(home), *words]
    return subprocess.Popen(command, stdout=told, stderr=told, preexec_fn=heard)


def alive(home: Path) -> list[psutil.Process]:
    """Everything that runs and was started for this home, whoever its parent is."""
    return [process for part in parts() for process in marked(mark(home, part.name))]


def pids(home: Path) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in json.loads((home / "stack.json").read_text())}


@dataclass
class Seatrial:
    """A stack that runs, with ``tiny`` registered in many states."""

    home: Path
    versions: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str) -> Ran:
        return seatrial(self.home, *words)

    def release(self, *words: str) -> Ran:
        """Asked for by somebody whom the directory knows."""
        return self("release", *words, "--as", ENGINEER.name)

    @property
    def world(self) -> World:
        return World(self.home)

    def release_of(self, release_id: str) -> Release:
        return recall(self.world.ledger, release_id)

    def live(self) -> tuple[Release, ...]:
        return live_releases(self.world.ledger)

    @property
    def state(self) -> tuple[object, ...]:
        """What a refused command must leave as it was."""
        flags = self.home / "flags.json"
        told = tuple(entry.hash for entry in self.world.ledger.entries())
        runs = httpx.post(f"{self.world.settings.prefect_api}/flow_runs/count", json=_RELEASES).text
        return (told, flags.read_bytes() if flags.exists() else None, runs)

    def at_rest(self) -> tuple[object, ...]:
        """The same while a release is live and may look or wait at any moment."""
        live = [(state.release_id, state.request, state.votes) for state in self.live()]
        return (*self.state[1:], live)

    def score(self, x: float = 0.0, unit: str = "u") -> dict[str, Any]:
        """One answer for one user, over HTTP."""
        answer = self._ask(x, unit)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()["answers"][0]
        return told

    def is_killed(self) -> bool:
        """The gateway answers nobody, and says why: there is nothing to fall back to here."""
        answer = self._ask(0.0, "u")
        return answer.status_code == 503 and "killed" in answer.text

    def _ask(self, x: float, unit: str) -> httpx.Response:
        rows = [{"id": f"{unit}-{x}", "unit": unit, "inputs": {"x": x}}]
        url = f"{self.world.settings.gateway_url}/models/{MODEL}/predict"
        return httpx.post(url, json={"rows": rows}, timeout=30)

    def send_traffic(self, rows: int = 120) -> None:
        """Requests and their outcomes, as many positive as the curve says."""
        base = f"{self.world.settings.gateway_url}/models/{MODEL}"
        asked = [
            {"id": f"t{n}", "unit": f"t{n}", "inputs": {"x": (n % 9) / 4 - 1}} for n in range(rows)
        ]
        assert httpx.post(f"{base}/predict", json={"rows": asked}, timeout=30).status_code == 200
        known = [{"id": row["id"], "label": n % 2} for n, row in enumerate(asked)]
        assert httpx.post(f"{base}/outcomes", json={"outcomes": known}).status_code == 200

    def stop_part(self, *names: str) -> None:
        """SIGKILL, to the part's own process alone: what it started stays behind."""
        for name in names:
            psutil.Process(pids(self.home)[name]).send_signal(signal.SIGKILL)

    def wait(self, done: Callable[[], bool], seconds: float = 200) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"not within {seconds:g} s\n{self._said()}"
            time.sleep(0.3)

    def _said(self) -> str:
        logs = self.home / "logs"
        return "\n".join((logs / f"{n}.log").read_text()[-1500:] for n in ("worker", "gateway"))


_RELEASES = {"flows": {"name": {"any_": ["release"]}}}


@contextmanager
def running(home: Path) -> Iterator[Seatrial]:
    """Models are made while the stack comes up; it is taken down whatever happens."""
    home.mkdir(parents=True)
    catalog = home.parent / "catalog"
    catalog.mkdir()
    (catalog / "quick.yaml").write_text(POLICY)
    (home / "settings.json").write_text(json.dumps({"catalog": str(catalog)}))
    write_people(home)
    with (home / "up.log").open("wb") as log:
        rising = subprocess.Popen([PROGRAM, "--home", str(home), "up"], stdout=log, stderr=log)
    try:
        folders = make_models(home.parent / "models")
        assert rising.wait(timeout=280) == 0, (home / "up.log").read_text()
        yield Seatrial(home, register(World(home).settings.mlflow_uri, folders))
    finally:
        if rising.poll() is None:
            rising.send_signal(signal.SIGINT)
            rising.wait(timeout=60)
        seatrial(home, "down")
        left = alive(home)
        for process in left:
            process.kill()
        assert not left, f"still alive after down: {left}"


def make_models(folder: Path) -> dict[str, Path]:
    """Model folders by what is the matter with them."""
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = {
            "champion": _save(folder / "champion", slope=1.0),
            "candidate": _save(folder / "candidate", slope=1.2),
            "raises": _save(folder / "raises", slope=1.3, at_call=RAISES),
            "dies": _save(folder / "dies", slope=1.4, at_load=DIES),
            "unsigned": _save(folder / "unsigned", slope=1.5, signed=False),
            "gone": _save(folder / "gone", slope=1.6),
        }
    return made | {"copy": made["champion"]}


def _save(
    folder: Path, *, slope: float, at_call: str = "", at_load: str = "", signed: bool = True
) -> Path:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    signature = ModelSignature(
        Schema([ColSpec(DataType.double, "x")]),
        Schema([ColSpec(DataType.double)]),
        ParamSchema([ParamSpec("features", DataType.boolean, False)]),
    )
    code = folder.with_suffix(".py")
    text = _CODE.format(slope=slope, at_call=at_call or "pass", at_load="")
    code.write_text(text)
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(code),
        signature=signature if signed else None,
        pip_requirements=[],
    )
    for saved in folder.glob("*.py"):  # broken after saving: MLflow would run it at once
        saved.write_text(_CODE.format(slope=slope, at_call=at_call or "pass", at_load=at_load))
    if not signed:
        return folder
    (folder / "reference").mkdir()
    rows = [{"inputs": {"x": x / 4}, "features": {"double": x / 2}} for x in range(8)]
    lines = [json.dumps(row | {"score": _curve(slope, row["inputs"]["x"])}) for row in rows]
    (folder / "reference" / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def _curve(slope: float, x: float) -> float:
    return 1 / (1 + math.exp(-slope * x))


def register(uri: str, folders: dict[str, Path]) -> dict[str, str]:
    """Version numbers by what is the matter with each; the files of ``gone`` are deleted."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(MODEL)
    versions = {}
    for name, folder in folders.items():
        run = client.create_run("0", tags={"trainer": "erin"})
        client.log_artifacts(run.info.run_id, str(folder), "model")
        source = f"{run.info.artifact_uri}/model"
        made = client.create_model_version(MODEL, source, run.info.run_id)
        versions[name] = str(made.version)
        if name == "gone":
            _delete(uri, run.info.run_id)
    return versions


def _delete(uri: str, run_id: str) -> None:
    from mlflow import MlflowClient

    home = MlflowClient(tracking_uri=uri).get_run(run_id).info.artifact_uri
    assert home.startswith("mlflow-artifacts:"), home
    httpx.delete(f"{uri}/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/model")
