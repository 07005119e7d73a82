"""What happened, as lines in files: at most ten milliseconds behind, never in a request's way.

One thread writes. Lines of one kind go to ``<kind>/<kind>-<replica>-<seq>.jsonl``, one
``write()`` for all that came in the meantime; a full or old file is closed and becomes a
Parquet file of the same stem. The number of lines that wait is bounded: what is dropped is
counted, because missing lines must never look like health.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from deployments.gateway.parquet import to_parquet

KINDS = ("predictions", "inputs", "outcomes", "metrics")
Line = dict[str, Any]
_GATHER_SECONDS = 0.01
_ENOUGH_LINES = 50
_IDLE_SECONDS = 1.0


@dataclass
class _File:
    path: Path
    descriptor: int
    opened: float
    size: int = 0


class Spool:
    """``append`` never blocks; ``flush`` waits until all lines appended before are on file."""

    def __init__(
        self, root: Path, replica: str, *, rotate_seconds: float, rotate_bytes: int, limit: int
    ) -> None:
        self._root, self._replica = root, replica
        self._rotate_seconds, self._rotate_bytes, self._limit = rotate_seconds, rotate_bytes, limit
        self._files: dict[str, _File] = {}
        self._closed_before: dict[str, Path] = {}
        self._waiting: list[tuple[str, Line]] = []
        self._appended = self._written = 0
        self._hurry = self._stopped = False
        self._changed = Condition()
        self._rotation = ThreadPoolExecutor(1, thread_name_prefix="rotation")
        self.dropped = 0
        self.fault: str | None = None
        for kind in KINDS:
            (root / kind).mkdir(parents=True, exist_ok=True)
            self._rotation.submit(self._leftovers, kind, self._sequence(kind))
        self._thread = Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    def append(self, kind: str, lines: Iterable[Line]) -> None:
        with self._changed:
            for line in lines:
                if len(self._waiting) >= self._limit:
                    self.dropped += 1
                    continue
                self._waiting.append((kind, line))
                self._appended += 1
            self._changed.notify_all()

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        with self._changed:
            target = self._appended
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._written >= target, timeout_seconds)

    def close(self) -> None:
        self.flush()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(5.0)
        self._rotation.shutdown(wait=True, cancel_futures=True)
        self._abandon()

    def _work(self) -> None:
        while not self._stopped:
            lines = self._gather()
            try:
                for kind in KINDS:
                    self._write(kind, [line for of, line in lines if of == kind])
                    self._rotate(kind)
                self.fault = None
            except OSError as error:
                self.fault = f"the spool cannot be written: {error.strerror}"
                self.dropped += len(lines)
                self._abandon()
            with self._changed:
                self._written += len(lines)
                self._changed.notify_all()

    def _gather(self) -> list[tuple[str, Line]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped, _IDLE_SECONDS)
            if self._waiting:
                self._changed.wait_for(
                    lambda: len(self._waiting) >= _ENOUGH_LINES or self._hurry or self._stopped,
                    _GATHER_SECONDS,
                )
            lines, self._waiting, self._hurry = self._waiting, [], False
            return lines

    def _write(self, kind: str, lines: list[Line]) -> None:
        if not lines:
            return
        file = self._files.get(kind) or self._open(kind)
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        written = os.write(file.descriptor, text)
        while written < len(text):  # a signal or a nearly full disk: the rest follows or raises
            written += os.write(file.descriptor, text[written:])
        file.size += len(text)

    def _open(self, kind: str) -> _File:
        path = self._root / kind / f"{kind}-{self._replica}-{self._sequence(kind):08d}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._files[kind] = _File(path, os.open(path, flags, 0o644), time.monotonic())
        return self._files[kind]

    def _rotate(self, kind: str) -> None:
        file = self._files.get(kind)
        if file is None:
            return
        old = time.monotonic() - file.opened > self._rotate_seconds
        if old or file.size > self._rotate_bytes:
            os.close(self._files.pop(kind).descriptor)
            self._rotation.submit(self._convert, kind, file.path)

    def _abandon(self) -> None:
        """After a failed write the last line may be torn: the next line opens a new file."""
        while self._files:
            os.close(self._files.popitem()[1].descriptor)

    def _convert(self, kind: str, path: Path) -> None:
        """The text file stays one rotation longer: somebody may be reading it."""
        to_parquet(kind, path)
        before = self._closed_before.get(kind)
        self._closed_before[kind] = path
        if before is not None:
            before.unlink(missing_ok=True)

    def _leftovers(self, kind: str, below: int) -> None:
        """What an earlier process of this name left behind."""
        for path in sorted((self._root / kind).glob(f"{kind}-{self._replica}-*.jsonl")):
            if _number(path) < below:
                self._convert(kind, path)

    def _sequence(self, kind: str) -> int:
        taken = (self._root / kind).glob(f"{kind}-{self._replica}-*.*")
        return max(map(_number, taken), default=0) + 1


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
