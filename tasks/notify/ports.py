"""What the release needs to tell people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from policies.vocabulary import Message, Value


class Delivered(Value):
    """A message that had to wait, and where it went at last."""

    title: str
    thread: str
    where: str


class Notifier(Protocol):
    def send(self, message: Message) -> str:
        """Deliver; returns where it went: ``slack:…``, ``outbox:…``, or ``waiting:…: why``."""

    def deliver_waiting(self) -> Sequence[Delivered]:
        """Try what waits once more; returns what could be delivered."""
