"""Telling people, and leaving on the ledger that they were told."""

from __future__ import annotations

from policies.lifecycle import INTENTS
from policies.vocabulary import Message
from tasks.ledger.task import Log
from tasks.notify.task import send


def tell(log: Log, message: Message) -> None:
    """Send once: what was told since the release last moved is not told again.

    A run that starts again after a crash would otherwise tell people twice, and one that cannot
    reach the gateway would tell them at every attempt: an intent alone is no news.
    """
    entries = log.entries()
    moved = max((e.seq for e in entries if e.move and e.kind not in INTENTS), default=0)
    told = {e.payload.get("title") for e in entries if e.kind == "notified" and e.seq > moved}
    if message.title in told:
        return
    where = send(message, message.title)
    log.fact("notified", {"kind": message.kind, "title": message.title, "where": where})
