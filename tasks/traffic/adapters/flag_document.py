"""The switch as one file: ``flags.json``, in flagd's schema, read by every serving process.

Every writer takes the same lock file, checks what it is about to publish, and renames it into
place with a newer modification time than the file before (readers that poll the time alone
miss an older one). A second copy, ``flags.last.json``, is what was published last: when
somebody has broken the document by hand, a kill still works from there. Starts fast: nothing
heavy is imported.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import TrafficPlan
from tasks.traffic import document as documents
from tasks.traffic.flag import kill_of, plan_of

Document = dict[str, Any]
Change = Callable[[Document], tuple[Document, TrafficPlan]]
_RETRY_SECONDS = 0.005


class FlagDocumentRouter:
    """Router over a flag document. ``lock_seconds``: how long to wait for another writer."""

    def __init__(self, path: Path, *, lock_seconds: float = 2.0) -> None:
        self._path = path
        self._last = path.with_suffix(".last.json")
        self._lock = path.with_suffix(".lock")
        self._lock_seconds = lock_seconds

    def apply(self, plan: TrafficPlan, *, after: int | None = None) -> TrafficPlan:
        return self._publish(lambda document: documents.apply(document, plan, after))

    def current(self, model: str) -> TrafficPlan | None:
        flag = self._read()["flags"].get(model)
        return None if flag is None else plan_of(model, flag)

    def kill(self, model: str, to: str | None, reason: str, actor: str) -> TrafficPlan:
        return self._publish(lambda document: documents.kill(document, model, to, reason, actor))

    def restore(self, model: str, actor: str, *, after: int | None = None) -> TrafficPlan:
        return self._publish(lambda document: documents.restore(document, model, after))

    def killed_to(self, model: str) -> str | None:
        flag = self._read()["flags"].get(model)
        kill = None if flag is None else kill_of(flag)
        return None if kill is None else kill.to

    def document(self) -> Document:
        """The whole document, as other readers of flagd's schema get it."""
        return self._read()

    def _publish(self, change: Change) -> TrafficPlan:
        with self._locked():
            held = self._read()
            wanted, plan = change(held)
            if wanted == held == _load(self._path):
                return plan
            if faults := documents.check(wanted, held):
                raise RefusedError(
                    f"The flag document would be wrong: {'; '.join(faults)}.",
                    advice="Nothing has changed. This is a fault in Seatrial: please report it.",
                )
            text = json.dumps(wanted, indent=1, sort_keys=True, allow_nan=False).encode()
            try:
                _replace(self._path, text)
                _replace(self._last, text)
            except OSError as error:
                raise UnavailableError(
                    f"{self._path} cannot be written: {error.strerror}.",
                    advice="Free the disk or its permissions, then repeat the command.",
                ) from error
            return plan

    def _read(self) -> Document:
        """The document in force, or what was published last where it is broken or older.

        Serving processes refuse an older revision: what is published next follows the newest.
        """
        if not self._path.exists() and not self._last.exists():
            return documents.empty()
        held = [found for path in (self._path, self._last) if (found := _load(path)) is not None]
        if held:
            return _newest(held)
        raise RefusedError(
            f"{self._path} and {self._last.name} are both broken.",
            advice="Serving goes on with what it holds. Put a good copy of the document back.",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(
                f"{self._lock} cannot be opened: {error.strerror}.",
                advice="Check the home folder's permissions, then repeat the command.",
            ) from error
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)  # gives the lock back

    def _take(self, descriptor: int) -> None:
        for _ in range(max(1, int(self._lock_seconds / _RETRY_SECONDS))):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(_RETRY_SECONDS)
        raise UnavailableError(
            f"Another writer has held {self._lock.name} for {self._lock_seconds:g} s.",
            advice="Repeat the command; if it goes on, see who holds it: fuser " + str(self._lock),
        )


def _newest(documents: Sequence[Document]) -> Document:
    """The first one, with every flag as it was published last."""
    flags: dict[str, Any] = {}
    for document in documents:
        for key, flag in document["flags"].items():
            if key not in flags or flag["metadata"]["rev"] > flags[key]["metadata"]["rev"]:
                flags[key] = flag
    return {**documents[0], "flags": dict(sorted(flags.items()))}


def _load(path: Path) -> Document | None:
    try:
        document: Document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return None if documents.check(document) else document


def _replace(path: Path, text: bytes) -> None:
    """Whole or not at all, on disk when this returns, and newer than the file before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as stream:
        stream.write(text)
        stream.flush()
        _renew(stream.fileno(), path)
        os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _renew(descriptor: int, before: Path) -> None:
    written = os.fstat(descriptor)
    try:
        earlier = before.stat().st_mtime_ns
    except FileNotFoundError:
        return
    if written.st_mtime_ns <= earlier:
        os.utime(descriptor, ns=(written.st_atime_ns, earlier + 1_000_000))
