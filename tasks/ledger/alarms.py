"""An alarm on the ledger: recorded before anybody is called, and when somebody was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from policies.lifecycle import Release
from policies.vocabulary import Entry, Message
from policies.watching import Alarm
from tasks.ledger.ports import Ledger
from tasks.ledger.record import note


def record_alarm(ledger: Ledger, release: Release, found: Alarm, at: datetime, actor: str) -> None:
    """Once: a call that failed is made again without another alert."""
    mark = _mark(found)
    known = ledger.entries(release_id=release.release_id)
    if any(e.kind == "alert" and mark.items() <= e.payload.items() for e in known):
        return
    missing = {"missing": list(found.missing)} if found.missing else {}
    _note(ledger, release, at, actor)("alert", {**mark, "why": found.why, **missing})


def record_told(
    ledger: Ledger,
    release: Release,
    found: Alarm,
    told: Message,
    where: str,
    at: datetime,
    actor: str,
) -> None:
    payload = {**_mark(found), "kind": told.kind, "title": told.title, "where": where}
    _note(ledger, release, at, actor)("notified", payload)


def record_delivered(
    ledger: Ledger,
    now: Callable[[str], datetime],
    title: str,
    thread: str,
    where: str,
    actor: str,
) -> None:
    """On the record of the release whose thread it is in, else of the model."""
    entries = ledger.entries(release_id=thread) if thread else ()
    model = next((entry.model for entry in entries if entry.model), thread)
    if model:  # a test message is about nothing on the ledger
        release_id = thread if entries else None
        payload = {"title": title, "where": where}
        note(
            ledger,
            "delivered",
            payload,
            at=now(model),
            actor=actor,
            release_id=release_id,
            model=model,
        )


def _mark(found: Alarm) -> dict[str, object]:
    return {**found.mark, "escalated": True} if found.escalated else found.mark


def _note(ledger: Ledger, release: Release, at: datetime, actor: str) -> partial[Entry]:
    place = partial(note, ledger, release_id=release.release_id, model=release.model)
    return partial(place, at=at, actor=actor)
