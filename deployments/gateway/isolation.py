"""The gateway's side of a candidate's process: start, ask with a deadline, kill, replace."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from deployments.gateway.model import Answer, ModelFault, Row
from deployments.gateway.signature import Column
from policies.errors import RefusedError

_BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_WATCH_SECONDS = 0.2
_PATIENCE = 10  # deadlines granted to a question that is not somebody's request


class IsolatedModel:
    """Asks the model in its own process. While that is away every question fails at once.

    The thread that starts the process lives as long as this object: the kernel ends the
    process with the thread that started it.
    """

    columns: tuple[Column, ...] = ()
    shows_features = False
    minds_mirrors = False
    called = ""

    def __init__(
        self,
        store: Path,
        digest: str,
        *,
        deadline: float,
        load_seconds: float,
        memory_mb: int,
        closing: Event,
    ) -> None:
        self.digest = digest
        self.away: str | None = "starting"  # why it does not answer just now
        self._command = (str(store), digest, str(memory_mb))
        self._deadline = deadline
        self._load_seconds = load_seconds
        self._pipe: Connection | None = None
        self._asking = Lock()
        self._broken = Event()
        self._stopped = Event()
        self._closing = closing
        self._first: Future[None] = Future()
        self._keeper = Thread(target=self._keep, name=f"keeper {digest[7:15]}", daemon=True)

    def start(self) -> None:
        """Returns when the model is loaded and verified; ``RefusedError`` when it is not."""
        self._keeper.start()
        self._first.result()

    def stop(self) -> None:
        self._stopped.set()
        self._broken.set()
        if self._keeper.is_alive():
            self._keeper.join(5.0)

    def score_each(self, rows: Sequence[Row], *, mirrored: bool = False) -> list[Answer]:
        try:
            question = {"do": "score", "rows": rows, "mirrored": mirrored}
            told = self._ask(question, self._deadline)
        except ModelFault as fault:
            return [Answer(None, str(fault))] * len(rows)
        return [Answer(score, error) for score, error in told["answers"]]

    def features(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        told = self._ask({"do": "features", "rows": rows}, self._deadline * _PATIENCE)
        if "fault" in told:
            raise ModelFault(told["fault"])
        features: list[dict[str, Any]] = told["features"]
        return features

    def time_each(self, row: Row, calls: int) -> list[float]:
        limit = self._deadline * max(_PATIENCE, calls)
        took: list[float] = self._ask({"do": "time", "rows": [row], "calls": calls}, limit)["ms"]
        return took

    def memory_mb(self) -> float | None:
        """What the model takes now, beyond the libraries; ``None`` when it does not tell."""
        try:
            taken: float = self._ask({"do": "memory"}, self._deadline * _PATIENCE)["memory_mb"]
        except ModelFault:
            return None
        return taken

    def _ask(self, question: dict[str, Any], deadline: float) -> dict[str, Any]:
        with self._asking:
            pipe = self._pipe
            if pipe is None:
                raise ModelFault(f"away: {self.away}")
            try:
                pipe.send_bytes(json.dumps(question).encode())
                if not pipe.poll(deadline):
                    raise self._lost(f"no answer within {deadline:g} s")
                told: dict[str, Any] = json.loads(pipe.recv_bytes())
            except (EOFError, OSError) as error:
                raise self._lost("its process ended") from error
            return told

    def _lost(self, why: str) -> ModelFault:
        self._pipe = None
        self.away = why
        self._broken.set()
        return ModelFault(why)

    def _keep(self) -> None:
        """Start, wait until it is broken, kill, wait longer each time, start again.

        A process that never got as far as loading is not tried again here: who asked for the
        variant hears why and decides.
        """
        failures = 0
        while not self._stopped.is_set():
            self._broken.clear()
            process, pipe = self._spawn()
            start = time.monotonic()
            refused = self._meet(pipe)
            if refused is None:
                self._watch(process, pipe)
            self._end(process, pipe)
            if not self._first.done():
                self._first.set_exception(refused or RefusedError(f"{self.digest} was stopped."))
                return
            self.away = self.away or "restarting"
            failures = 0 if time.monotonic() - start > _BACK_OFF_SECONDS[-1] else failures
            self._stopped.wait(_BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)])
            failures += 1

    def _meet(self, pipe: Connection) -> RefusedError | None:
        """Wait for the process to have verified and loaded the model; or say why it did not."""
        try:
            waited = 0.0
            while not pipe.poll(_WATCH_SECONDS):
                waited += _WATCH_SECONDS
                if waited > self._load_seconds or self._gives_up():
                    return RefusedError(
                        f"{self.digest[:19]}… was not loaded within {self._load_seconds:g} s.",
                        advice="Load it by hand to see what takes so long.",
                    )
            told = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return RefusedError(
                f"The process that loads {self.digest[:19]}… ended.",
                advice="Most often memory: see the gateway's log and its memory limit.",
            )
        if "refused" in told:
            return RefusedError(told["refused"], advice=told["advice"])
        self.columns = tuple(Column(*column) for column in told["columns"])
        self.shows_features = told["features"]
        self.minds_mirrors = told["minds_mirrors"]
        self.called = told["called"]
        return None

    def _gives_up(self) -> bool:
        return self._stopped.is_set() or self._closing.is_set()

    def _watch(self, process: subprocess.Popen[bytes], pipe: Connection) -> None:
        """In service until a question fails, the process ends or somebody stops it."""
        self.away, self._pipe = None, pipe
        if not self._first.done():
            self._first.set_result(None)
        while not self._broken.wait(_WATCH_SECONDS) and process.poll() is None:
            pass

    def _end(self, process: subprocess.Popen[bytes], pipe: Connection) -> None:
        self._pipe = None
        process.kill()
        process.wait()
        with self._asking:  # who is still asking has heard the pipe close by now
            pipe.close()

    def _spawn(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", "deployments.gateway.worker", str(number), *self._command],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
            )
        return process, Connection(ours.detach())
