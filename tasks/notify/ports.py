"""What the release needs to tell people."""

from __future__ import annotations

from typing import Protocol

from policies.vocabulary import Message


class Notifier(Protocol):
    def send(self, message: Message) -> str:
        """Deliver; returns where it went (``slack:…`` or ``outbox:…``)."""
