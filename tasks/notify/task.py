"""Telling people, as a node on the release graph."""

from __future__ import annotations

from collections.abc import Sequence

from policies.vocabulary import Message
from tasks.connections import current
from tasks.node import node
from tasks.notify.ports import Delivered


@node("tell", "tell people · {title}")
def send(message: Message, title: str) -> str:
    """``title`` names the node; returns where the message went."""
    return current().notifier.send(message)


def deliver_waiting() -> Sequence[Delivered]:
    """What could not be told before, if it can be now."""
    return current().notifier.deliver_waiting()
