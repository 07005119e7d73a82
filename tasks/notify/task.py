"""Telling people, as a node on the release graph."""

from __future__ import annotations

from policies.vocabulary import Message
from tasks.connections import current
from tasks.node import node


@node("tell", "tell people · {title}")
def send(message: Message, title: str) -> str:
    """``title`` names the node; returns where the message went."""
    return current().notifier.send(message)
