"""What happened, as lines in files: at most ten milliseconds behind, never in a request's way.

One thread writes. Lines of one kind go to ``<kind>/<kind>-<replica>-<seq>.jsonl``, one
``write()`` for all that came in the meantime; a full or old file is closed and becomes a
Parquet file of the same stem. The number of lines that wait is bounded. What is dropped, for
want of room in memory or on the disk, is counted, and told in lines of the kind ``drops``:
missing lines must never look like health.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple

import orjson

from deployments.gateway.line_files import LineFiles
from deployments.gateway.losses import Line, Losses
from deployments.gateway.replica_name import ReplicaName
from deployments.gateway.rotation import Rotation
from policies.errors import RefusedError

DROPS = "drops"
KINDS = ("predictions", "inputs", "outcomes", "metrics", DROPS)
_GATHER_SECONDS = 0.01
_ENOUGH_LINES = 50
_IDLE_SECONDS = 1.0
_TELL_SECONDS = 1.0  # lost lines are told at most this often
_NAME_SECONDS = 5.0  # a process that is being killed may take a moment to be gone
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Receipt:
    """How many lines of one ``file`` were lost."""

    def __init__(self) -> None:
        self.lost = 0


class _Waiting(NamedTuple):
    kind: str
    line: Line
    receipt: Receipt | None


class Spool:
    """``append`` never blocks; ``flush`` waits until all lines appended before were tried.

    ``RefusedError`` when another process writes under this name. A folder that cannot be
    written refuses nobody: lines are dropped, counted and told, until it can be.
    """

    def __init__(
        self,
        root: Path,
        replica: str,
        *,
        rotate_seconds: float,
        rotate_bytes: int,
        limit: int,
        name_seconds: float = _NAME_SECONDS,
    ) -> None:
        self._limit = limit
        self._name = ReplicaName(root, replica)
        self._rotation = Rotation()
        self._files = {
            kind: LineFiles(
                root / kind,
                replica,
                partial(self._rotation.add, kind),
                rotate_seconds=rotate_seconds,
                rotate_bytes=rotate_bytes,
            )
            for kind in KINDS
        }
        self._not_begun: str | None = "not begun"
        self._waiting: list[_Waiting] = []
        self._appended = self._tried = 0
        self._hurry = self._stopped = False
        self._changed = Condition()
        self._losses = Losses(replica)
        self._told_at = 0.0
        self._begin(name_seconds)
        self._thread = Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._losses.total

    @property
    def fault(self) -> str | None:
        faults = (self._not_begun, *(files.fault for files in self._files.values()))
        told = next(filter(None, faults), None)
        return told and f"the spool cannot be written: {told}"

    def append(self, kind: str, lines: Iterable[Line], receipt: Receipt | None = None) -> None:
        with self._changed:
            was_idle = not self._waiting
            for line in lines:
                each = _Waiting(kind, line, receipt)
                if len(self._waiting) >= self._limit:
                    self._lose([each])
                    continue
                self._waiting.append(each)
                self._appended += 1
            if was_idle or len(self._waiting) >= _ENOUGH_LINES:
                self._changed.notify_all()  # woken for every line it would take requests' time

    def file(self, lines: Mapping[str, Iterable[Line]], timeout_seconds: float = 5.0) -> bool:
        """``append`` and ``flush``; whether every one of these lines is on file now."""
        receipt = Receipt()
        for kind, of_kind in lines.items():
            self.append(kind, of_kind, receipt)
        return self.flush(timeout_seconds) and not receipt.lost

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        with self._changed:
            target = self._appended
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._tried >= target, timeout_seconds)

    def close(self) -> None:
        self.flush()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(5.0)
        self._rotation.stop()
        for files in self._files.values():
            files.end()
        self._name.give_back()

    def _begin(self, name_seconds: float) -> None:
        """The name, the folders, and what an earlier process of this name left in them."""
        try:
            self._name.take(name_seconds)
            left = {kind: files.begin() for kind, files in self._files.items()}
        except OSError as error:
            self._not_begun = error.strerror or str(error)
            return
        self._not_begun = None
        for kind, paths in left.items():
            self._rotation.add(kind, *paths)

    def _work(self) -> None:
        while not self._stopped:
            lines = self._gather()
            if self._not_begun:
                self._begin_late()
            for kind, files in self._files.items():
                self._write(kind, [each for each in lines if each.kind == kind])
                files.rotate()
            self._tell(now=self._stopped)
            if not lines and not self._losses:
                self._clear()
            with self._changed:
                self._tried += len(lines)
                self._changed.notify_all()

    def _begin_late(self) -> None:
        try:
            self._begin(0.0)
        except RefusedError as error:  # somebody else took the name while nobody could write
            self._not_begun = str(error)

    def _gather(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped, _IDLE_SECONDS)
            if self._waiting:
                self._changed.wait_for(
                    lambda: len(self._waiting) >= _ENOUGH_LINES or self._hurry or self._stopped,
                    _GATHER_SECONDS,
                )
            lines, self._waiting, self._hurry = self._waiting, [], False
            return lines

    def _write(self, kind: str, lines: list[_Waiting]) -> None:
        if not lines:
            return
        written = 0
        texts = [_text(each.line) for each in lines]
        if not self._not_begun:
            written = self._files[kind].write([text for text in texts if text])
        whole = [each for each, text in zip(lines, texts, strict=True) if text]
        broken = [each for each, text in zip(lines, texts, strict=True) if not text]
        with self._changed:
            self._lose([*broken, *whole[written:]])

    def _lose(self, lines: Iterable[_Waiting]) -> None:
        for each in lines:
            self._losses.add(each.kind, each.line)
            if each.receipt is not None:
                each.receipt.lost += 1

    def _tell(self, *, now: bool) -> None:
        """Write down what was lost; tried again until it is on file."""
        if self._not_begun or not (now or time.monotonic() - self._told_at > _TELL_SECONDS):
            return
        with self._changed:
            lost = self._losses.take()
        if not lost:
            return
        self._told_at = time.monotonic()
        told = self._files[DROPS].write([text for line in lost if (text := _text(line))])
        with self._changed:
            self._losses.put_back(lost[told:])

    def _clear(self) -> None:
        """No lines, and all that was lost is told: whatever was in the way may be gone."""
        for files in self._files.values():
            if files.fault:
                files.clear()


def _text(line: Line) -> bytes:
    """Empty when it cannot be written. Half of a UTF-16 pair becomes a question mark: as it
    stands, no reader would take the file that holds it."""
    with suppress(TypeError):  # what this cannot write, the slow way below may
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    try:
        return _encode(line).encode("utf-8", "replace") + b"\n"
    except (TypeError, ValueError, RecursionError):
        return b""
