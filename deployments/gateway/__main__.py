"""``python -m deployments.gateway --home H --port P``: one serving process."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from deployments.gateway.app import create_app
from deployments.gateway.gateway import Gateway
from deployments.gateway.options import Options
from deployments.gateway.patience import PatientProtocol
from policies.errors import RefusedError
from tasks.orchestrator.clock import ReplayClock

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # rows come in small batches; two arms share the cores
    "OPENBLAS_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
_SWITCH_SECONDS = 0.001  # the event loop's turn comes soon also while a model computes


def main() -> None:
    arguments = _parser().parse_args()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.setswitchinterval(_SWITCH_SECONDS)
    home: Path = arguments.home.resolve()
    options = Options(
        home=home,
        replica=arguments.replica or f"gateway-{arguments.port}",
        deadline_seconds=arguments.deadline_ms / 1000,
        candidate_memory_mb=arguments.candidate_memory_mb,
        rotate_seconds=arguments.rotate_seconds,
        body_seconds=arguments.patience_seconds,
    )
    try:
        gateway = Gateway(options, ReplayClock(home / "clock"))
    except RefusedError as error:
        sys.exit(f"{error} {error.advice}")
    app = create_app(gateway, lambda: _token(home))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again at its end
    PatientProtocol.seconds = options.body_seconds
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    sockets = [_listening(arguments.host, arguments.port, shared=False)]
    if arguments.front_port:
        sockets.append(_listening(arguments.host, arguments.front_port, shared=True))
    uvicorn.Server(config).run(sockets=sockets)


def _listening(host: str, port: int, *, shared: bool) -> socket.socket:
    """``shared``: with other processes of this user; the kernel gives each its connections."""
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        sys.exit(f"Port {port} cannot be listened on: {error.strerror}.")
    return opened


def _token(home: Path) -> str | None:
    try:
        token = json.loads((home / "tokens.json").read_text())["route"]
    except (OSError, ValueError, KeyError):
        return None
    return token if isinstance(token, str) and token else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments.gateway", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--front-port", type=int, help="one that several processes share")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--replica", default="", help="its name in reports (gateway-PORT)")
    parser.add_argument("--deadline-ms", type=float, default=Options.deadline_seconds * 1000)
    parser.add_argument("--candidate-memory-mb", type=int, default=Options.candidate_memory_mb)
    parser.add_argument(
        "--patience-seconds",
        type=float,
        default=Options.body_seconds,
        help="for a connection's first headers, and for a body, to come in",
    )
    parser.add_argument("--rotate-seconds", type=float, default=Options.rotate_seconds)
    return parser


if __name__ == "__main__":
    main()
