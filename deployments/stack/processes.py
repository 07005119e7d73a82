"""Processes that this home started: remembered by pid and start time, stopped as whole trees.

A pid alone may have been given to somebody else since; pid and start time together have not.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

GRACE_SECONDS = 8.0


@dataclass(frozen=True)
class Started:
    """One process of the stack."""

    name: str
    pid: int
    started: float  # seconds since the epoch, as the operating system tells it
    port: int | None

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
        except FileNotFoundError:
            return {}
        return {row["name"]: Started(**row) for row in rows}

    def write(self, rows: Iterable[Started]) -> None:
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps([asdict(row) for row in rows], indent=1))
        draft.replace(self.path)

    def add(self, row: Started) -> None:
        self.write([*(r for r in self.read().values() if r.name != row.name), row])


def start(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    port: int | None,
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
            env={**os.environ, **environment},
            start_new_session=True,
        )
    return Started(name, child.pid, psutil.Process(child.pid).create_time(), port)


def stop(rows: Iterable[Started]) -> list[str]:
    """End each process with everything it started; returns the names of what would not die."""
    trees = {row.name: _tree(row) for row in rows}
    every = [process for tree in trees.values() for process in tree]
    _signal(every, lambda process: process.terminate())
    _, alive = psutil.wait_procs(every, timeout=GRACE_SECONDS)
    _signal(alive, lambda process: process.kill())
    psutil.wait_procs(alive, timeout=GRACE_SECONDS)
    return [name for name, tree in trees.items() if any(_lives(process) for process in tree)]


def _tree(row: Started) -> list[psutil.Process]:
    root = row.process()
    if root is None:
        return []
    try:
        return [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return []


def _signal(processes: Iterable[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            act(process)
        except psutil.NoSuchProcess:
            continue


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
