"""Telling people, and leaving on the ledger that they were told."""

from __future__ import annotations

from policies.lifecycle import INTENTS
from policies.vocabulary import Message
from tasks.ledger.task import Log
from tasks.notify.task import send


def tell(log: Log, message: Message) -> None:
    """Send once: a message already on the ledger with the same title is not sent again.

    A run that starts again after a crash would otherwise tell people twice, and one that cannot
    reach the gateway would tell them at every attempt: an intent alone is no news.
    """
    last = [e for e in log.entries() if e.move or e.kind == "notified"]
    recent = next((e for e in reversed(last) if e.kind == "notified"), None)
    moved_since = recent is None or any(
        e.move and e.kind not in INTENTS and e.seq > recent.seq for e in last
    )
    same = recent is not None and recent.payload.get("title") == message.title
    if same and not moved_since:
        return
    where = send(message, message.title)
    log.fact("notified", {"kind": message.kind, "title": message.title, "where": where})
