"""Processes that this home started: remembered by pid and start time, stopped as whole trees.

A pid alone may have been given to somebody else since; pid and start time together have not.
Every process also carries a mark in its environment, which whatever it starts inherits: so what
a killed process has left behind is found too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from policies.errors import RefusedError

GRACE_SECONDS = 8.0


@dataclass(frozen=True)
class Started:
    """One process of the stack."""

    name: str
    pid: int
    started: float  # seconds since the epoch, as the operating system tells it
    port: int | None
    mark: tuple[str, str] | None = None  # variable and value in its environment

    def process(self) -> psutil.Process | None:
        """The living process, or ``None``."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < 1.0
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Roster:
    """The stack's memory of what it started: ``<home>/stack.json``."""

    path: Path

    def read(self) -> dict[str, Started]:
        try:
            rows = json.loads(self.path.read_text())
            return {row["name"]: _row(row) for row in rows}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(
                f"{self.path} is damaged: what was started here is not known.",
                advice="End the processes by hand (`ps` shows this home in their commands), "
                "then delete the file.",
            ) from error

    def write(self, rows: Iterable[Started]) -> None:
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps([asdict(row) for row in rows], indent=1))
        draft.replace(self.path)

    def add(self, row: Started) -> None:
        self.write([*(r for r in self.read().values() if r.name != row.name), row])


def _row(data: dict[str, Any]) -> Started:
    mark = data.get("mark")
    return Started(**data | {"mark": (mark[0], mark[1]) if mark else None})


def start(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    port: int | None,
    mark: tuple[str, str] | None = None,
) -> Started:
    """Start in the background, in a session of its own, with its output in ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            list(command),
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **environment, **dict([mark] if mark else [])},
            start_new_session=True,
        )
    return Started(name, child.pid, psutil.Process(child.pid).create_time(), port, mark)


def stop(rows: Iterable[Started]) -> list[str]:
    """End each process with everything it started; returns the names of what would not die."""
    trees = {row.name: tree(row) for row in rows}
    every = [process for each in trees.values() for process in each]
    _signal(every, lambda process: process.terminate())
    _, alive = psutil.wait_procs(every, timeout=GRACE_SECONDS)
    _signal(alive, lambda process: process.kill())
    psutil.wait_procs(alive, timeout=GRACE_SECONDS)
    return [name for name, each in trees.items() if any(_lives(process) for process in each)]


def tree(row: Started) -> list[psutil.Process]:
    """Everything that lives of what was started: children first, then what lost its parent."""
    root = row.process()
    found: list[psutil.Process] = []
    if root is not None:
        try:
            found = [*root.children(recursive=True), root]
        except psutil.NoSuchProcess:
            found = []
    strays = marked(row.mark) if row.mark else []
    return [*found, *(process for process in strays if process not in found)]


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of the block: a process is never started and not remembered."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    ours = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in ours}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        if came:
            raise KeyboardInterrupt


def marked(mark: tuple[str, str]) -> list[psutil.Process]:
    """Every living process that carries the mark."""
    variable, value = mark
    return [process for process in psutil.process_iter() if _carries(process, variable, value)]


def _carries(process: psutil.Process, variable: str, value: str) -> bool:
    try:
        return process.environ().get(variable) == value and _lives(process)
    except (psutil.Error, OSError):  # somebody else's, or gone meanwhile
        return False


def _signal(processes: Iterable[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            act(process)
        except psutil.NoSuchProcess:
            continue


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
