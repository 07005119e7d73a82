"""One calm line on the console and the whole message in an outbox folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO

from policies.errors import UnavailableError
from policies.vocabulary import Message
from tasks.notify.layout import blocks, fallback
from tasks.notify.ports import Delivered


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class ConsoleNotifier:
    """The ``Notifier`` port for installations without a Slack workspace."""

    def __init__(
        self,
        outbox: Path,
        *,
        now: Callable[[], datetime] = _wall_clock,
        stream: IO[str] | None = None,
    ) -> None:
        self._outbox = outbox
        self._now = now
        self._stream = stream

    def send(self, message: Message) -> str:
        """A new file a message, never an overwritten one: two processes may write at once."""
        written = self._write(message)
        words = " ".join(f"{message.title}. {message.body}".split())
        severity = f"{message.severity} " if message.severity else ""
        stream = self._stream or sys.stderr
        stream.write(f"[{severity}{message.kind}] {words[:300]}\n")
        stream.flush()
        return f"outbox:{written.name}"

    def deliver_waiting(self) -> tuple[Delivered, ...]:
        """The folder is where these messages belong."""
        return ()

    def _write(self, message: Message) -> Path:
        now = self._now()
        document = {
            "at": now.isoformat(),
            "message": message.model_dump(mode="json"),
            "text": fallback(message),
            "blocks": blocks(message),
        }
        text = json.dumps(document, ensure_ascii=False, indent=1)
        try:
            self._outbox.mkdir(parents=True, exist_ok=True)
            return self._write_new(f"{now:%Y%m%dT%H%M%S.%fZ}-{message.kind}", text)
        except OSError as error:
            raise UnavailableError(
                f"The outbox {self._outbox} cannot be written.",
                advice="Check the folder's rights and the free space.",
            ) from error

    def _write_new(self, stem: str, text: str) -> Path:
        for number in count(1):
            path = self._outbox / f"{stem}-{number}.json"
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                continue
            return path
        raise AssertionError("count never ends")
