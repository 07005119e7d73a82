"""Messages kept in a list: for tests and for documents that run."""

from __future__ import annotations

from policies.vocabulary import Message
from tasks.notify.ports import Delivered


class MemoryNotifier:
    """The ``Notifier`` port without a world."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> str:
        self.sent.append(message)
        return f"memory:{len(self.sent)}"

    def deliver_waiting(self) -> tuple[Delivered, ...]:
        return ()
