"""The parts of the embedded stack: how each is started and how it tells that it is well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

POOL = "seatrial"
FRONT = "front"  # the port that all gateway processes share
PART_VARIABLE = "SEATRIAL_PART"  # marks a process as started here, even when its parent is gone
ROOT = Path(__file__).resolve().parents[2]
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PYTHONUNBUFFERED": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True)
class Part:
    """One process of the stack. ``ports`` maps every part's name to its port.

    ``is_well(ports, started)``: whether the process that was started then does its work.
    """

    name: str
    has_port: bool
    command: Callable[[Path, Mapping[str, int]], list[str]]
    is_well: Callable[[Mapping[str, int], float], bool]
    patience_seconds: float
    advice: str


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _prefect(_: Path, ports: Mapping[str, int]) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(ports["prefect"])]
    return [_program("prefect"), "server", "start", *where]


def _mlflow(home: Path, ports: Mapping[str, int]) -> list[str]:
    return [
        _program("mlflow"),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(ports["mlflow"]),
        "--workers",  # the default of four takes gigabytes
        "1",
        "--backend-store-uri",
        f"sqlite:///{home / 'mlflow.db'}",
        "--artifacts-destination",
        str(home / "mlartifacts"),
    ]


def _control(home: Path, ports: Mapping[str, int]) -> list[str]:
    module = [sys.executable, "-m", "deployments.control"]
    return [*module, "--home", str(home), "--port", str(ports["control"])]


def _gateway(name: str) -> Part:
    """One of the processes that share the port ``front``; its own tells what it alone does."""

    def command(home: Path, ports: Mapping[str, int]) -> list[str]:
        module = [sys.executable, "-m", "deployments.gateway"]
        front = ["--front-port", str(ports[FRONT])]
        return [*module, "--home", str(home), "--port", str(ports[name]), *front]

    return Part(name, True, command, _at(name, "/health"), 60.0, "its port is taken")


def _worker(_: Path, __: Mapping[str, int]) -> list[str]:
    pool = ["--pool", POOL, "--type", "process", "--name", "seatrial-worker"]
    return [_program("prefect"), "worker", "start", *pool, "--install-policy", "never"]


def _at(name: str, path: str) -> Callable[[Mapping[str, int], float], bool]:
    return lambda ports, _: answers(f"http://127.0.0.1:{ports[name]}{path}")


def _polls(ports: Mapping[str, int], started: float) -> bool:
    """The worker has no address of its own: Prefect says when it last asked for work."""
    seen = last_poll(f"http://127.0.0.1:{ports['prefect']}/api")
    return seen is not None and seen.timestamp() >= started


PREFECT = Part(
    "prefect", True, _prefect, _at("prefect", "/api/health"), 150.0, "its migrations failed"
)
MLFLOW = Part("mlflow", True, _mlflow, _at("mlflow", "/health"), 120.0, "its database is locked")
CONTROL = Part("control", True, _control, _at("control", "/health"), 60.0, "its port is taken")
WORKER = Part("worker", False, _worker, _polls, 90.0, "Prefect does not answer")


def gateway_names(gateways: int) -> list[str]:
    return ["gateway", *(f"gateway-{number}" for number in range(2, gateways + 1))]


def parts(gateways: int = 1) -> tuple[Part, ...]:
    """All processes of a stack with as many gateway processes, in the order of their start."""
    return PREFECT, MLFLOW, *map(_gateway, gateway_names(gateways)), CONTROL, WORKER


def mark(home: Path, part: str) -> tuple[str, str]:
    """Variable and value that tell a process of this part of this home."""
    return PART_VARIABLE, f"{part}@{home}"


def environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """What every process of the stack, and every flow run, finds in its environment."""
    api = f"http://127.0.0.1:{ports['prefect']}/api"
    return QUIET | {
        "SEATRIAL_HOME": str(home),
        "SEATRIAL_ROOT": str(ROOT),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "2",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",  # one line a move, for people
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # five processes for jobs nobody runs here
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports['mlflow']}",
    }


def last_poll(api: str) -> datetime | None:
    """When a worker of the pool last reported to Prefect; ``None`` when none did."""
    try:
        told = httpx.post(f"{api}/work_pools/{POOL}/workers/filter", json={}, timeout=5.0)
    except httpx.TransportError:
        return None
    rows = told.json() if told.status_code == 200 else []
    beats = [row["last_heartbeat_time"] for row in rows if row.get("last_heartbeat_time")]
    return max((datetime.fromisoformat(beat) for beat in beats), default=None)


def answers(address: str) -> bool:
    """Whether an address says 200 within two seconds."""
    try:
        return httpx.get(address, timeout=2.0).status_code == 200
    except httpx.TransportError:
        return False
