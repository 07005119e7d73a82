"""A candidate's own process: it may hang, crash or eat memory, and takes nobody along.

``python -m deployments.gateway.worker FD STORE DIGEST MEMORY_MB``: answers one JSON message at
a time on the inherited socket. It ends when the socket closes and when its parent dies, also
while the model hangs.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from deployments.gateway.model import Model, ModelFault, load
from policies.errors import RefusedError

_PR_SET_PDEATHSIG = 1
_MB = 1024 * 1024


def main(descriptor: int, store: Path, digest: str, memory_mb: int) -> None:
    _die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's to handle
    pipe = Connection(descriptor)
    import pandas  # noqa: F401 - loaded before memory is measured: not the model's

    before = _resident_mb()
    _limit(memory_mb)
    try:
        model = load(store, digest)
    except RefusedError as error:
        _send(pipe, {"refused": error.message, "advice": error.advice})
        return
    _send(pipe, _introduction(model))
    while True:
        try:
            asked = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        answer = _answer(model, asked, before)
        _send(pipe, answer)
        if _ran_out_of_memory(answer):  # what it ate may still be held: a new process is clean
            return


def _introduction(model: Model) -> dict[str, Any]:
    columns = [[column.name, column.type, column.required] for column in model.columns]
    return {
        "columns": columns,
        "features": model.shows_features,
        "minds_mirrors": model.minds_mirrors,
        "called": model.called,
    }


def _answer(model: Model, asked: dict[str, Any], before_mb: float) -> dict[str, Any]:
    if asked["do"] == "memory":
        return {"memory_mb": max(0.0, _resident_mb() - before_mb)}
    rows = asked["rows"]
    if asked["do"] == "time":
        return {"ms": model.time_each(rows[0], asked["calls"])}
    if asked["do"] == "features":
        try:
            return {"features": model.features(rows)}
        except ModelFault as fault:
            return {"fault": str(fault)}
    answers = model.score_each(rows, mirrored=asked["mirrored"])
    return {"answers": answers}


def _ran_out_of_memory(answer: dict[str, Any]) -> bool:
    errors = [error for _, error in answer.get("answers", ())]
    return any(error and error.startswith("MemoryError") for error in errors)


def _send(pipe: Connection, message: dict[str, Any]) -> None:
    try:
        pipe.send_bytes(json.dumps(message).encode())
    except (BrokenPipeError, ConnectionError):
        sys.exit(0)


def _limit(memory_mb: int) -> None:
    """Address space: what is in use now plus the allowance."""
    limit = psutil.Process().memory_info().vms + memory_mb * _MB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _resident_mb() -> float:
    return float(psutil.Process().memory_info().rss) / _MB


def _die_with(parent: int) -> None:
    """The kernel does it where it can; the thread also where it cannot (macOS)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
