"""What somebody did to the switch, written down before it happens, for a ledger that is away.

A kill never waits for the ledger, so its record may fail, or the command may be killed itself.
Each act has lines in one file: ``asked`` before the switch moves, ``moved`` after, ``recorded``
once the ledger has it. The control service records what moved and was not recorded, with the time
at which it happened. No line of it is needed to act: where it cannot be written, the kill goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from policies.errors import UnavailableError
from tasks.connections import World

_TRIES, _RETRY_SECONDS = 10, 0.002
UNDER_WAY = timedelta(minutes=1)  # no command takes longer to move the switch


@dataclass(frozen=True)
class Act:
    """One kill or restore that has moved the switch."""

    id: str
    kind: str  # kill or restore
    asked_at: datetime  # on the wall clock
    model: str
    actor: str
    reason: str
    at: datetime
    payload: dict[str, Any] | None  # what the ledger is told; None: nobody saw the switch move


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path

    def asked(self, kind: str, model: str, actor: str, reason: str, at: datetime) -> str:
        """The id of what is about to be done."""
        id_ = uuid.uuid4().hex
        what = {"kind": kind, "model": model, "actor": actor, "reason": reason}
        when = {"at": at.isoformat(), "asked_at": datetime.now(UTC).isoformat()}
        self._write({"id": id_, "asked": what | when})
        return id_

    def moved(self, id_: str, payload: Mapping[str, Any]) -> None:
        self._write({"id": id_, "moved": dict(payload)})

    def recorded(self, id_: str) -> None:
        """Nothing is left to do about it: it is on the ledger, or it was refused."""
        self._write({"id": id_, "recorded": True})

    def unrecorded(self) -> Sequence[Act]:
        """In the order in which they were asked for; empties the file when there is nothing."""
        if not self._path.exists():
            return ()
        try:
            acts = self._read_all()
        except OSError as error:
            raise UnavailableError(
                f"{self._path.name} cannot be read: {error.strerror}.",
                advice="It is read again in a few seconds; look at the home folder's permissions.",
            ) from error
        return [
            Act(id=id_, payload=act.get("moved"), **_read(act["asked"]))
            for id_, act in acts.items()
            if "asked" in act and not act.get("recorded")
        ]

    def _read_all(self) -> dict[str, dict[str, Any]]:
        with self._locked(fcntl.LOCK_EX) as descriptor:
            acts = _acts(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
            if not any(act.get("asked") and not act.get("recorded") for act in acts.values()):
                os.ftruncate(descriptor, 0)
        return acts

    def _write(self, line: Mapping[str, Any]) -> None:
        text = (json.dumps(line, separators=(",", ":")) + "\n").encode()
        # Never in a kill's way. Writers append whole lines and may do so at the same time.
        with suppress(OSError), self._locked(fcntl.LOCK_SH) as descriptor:
            os.write(descriptor, text)
            os.fsync(descriptor)

    @contextmanager
    def _locked(self, how: int) -> Iterator[int]:
        """Held for a write or a read of a few lines."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            _take(descriptor, how)
            yield descriptor
        finally:
            os.close(descriptor)


def _wall() -> datetime:
    return datetime.now(UTC)


class Reconciled:
    """Puts on the ledger what the journal has and the ledger has not."""

    def __init__(self, world: World, wall: Callable[[], datetime] = _wall) -> None:
        self._world, self._wall = world, wall
        self._journal = journal_of(world)

    def __call__(self) -> Sequence[str]:
        from tasks.ledger.record import note

        told = []
        for act in self._journal.unrecorded():
            if self._wall() - act.asked_at < UNDER_WAY:
                continue  # whoever does it records it
            payload = act.payload or self._half_done(act)
            if payload is None or self._is_on_record(act):
                self._journal.recorded(act.id)
                continue
            payload = payload | {"late": True, "journal": act.id}
            where = {"model": act.model, "release_id": _release_at(self._world, act)}
            note(self._world.ledger, act.kind, payload, at=act.at, actor=act.actor, **where)
            self._journal.recorded(act.id)
            told.append(f"{act.model}: a {act.kind} by {act.actor} was put on record afterwards")
        return told

    def _half_done(self, act: Act) -> dict[str, Any] | None:
        """A command that ended before it noted what it did: the switch shows whether it moved."""
        to = self._world.router.killed_to(act.model)
        payload = {"model": act.model, "reason": act.reason}
        if act.kind == "kill":
            return payload | {"to": to} if to is not None else None
        return payload if to is None else None

    def _is_on_record(self, act: Act) -> bool:
        known = self._world.ledger.entries(model=act.model)
        return any(e.kind == act.kind and e.payload.get("journal") == act.id for e in known)


def journal_of(world: World) -> Journal:
    return Journal(world.home.path / "switch-journal.jsonl")


def _release_at(world: World, act: Act) -> str | None:
    """The release that was live when it happened, if it still is: another was not stopped."""
    from tasks.ledger.record import live_releases

    live = live_releases(world.ledger, act.model)
    began = [state for state in live if state.opened_at is not None and state.opened_at <= act.at]
    return began[0].release_id if began else None


def _take(descriptor: int, how: int) -> None:
    """``OSError`` when another holds it for longer than a few lines take."""
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        time.sleep(_RETRY_SECONDS)
    return fcntl.flock(descriptor, how | fcntl.LOCK_NB)


def _acts(text: bytes) -> dict[str, dict[str, Any]]:
    acts: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError):  # a torn line belongs to a dead command
            told = json.loads(line)
            acts.setdefault(told["id"], {}).update(told)
    return acts


def _read(asked: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(asked[name]) for name in ("at", "asked_at")}
    return {**asked, **times}
