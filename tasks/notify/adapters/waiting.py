"""What could not be told waits in a folder, is delivered later, and stops nobody meanwhile."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from policies.errors import AdapterError, UnavailableError
from policies.vocabulary import Message
from tasks.notify.adapters.console import ConsoleNotifier
from tasks.notify.ports import Delivered, Notifier

WAITING = "waiting"
FORGOTTEN_SECONDS = 600.0  # a process that died while it delivered
AT_ONCE = 20  # a round: Slack takes about one message a second


class PatientNotifier:
    """The ``Notifier`` port in front of another that may be down.

    ``send`` never fails for what is outside: it answers ``waiting:FILE: why``, and
    ``deliver_waiting`` tries again, oldest first.
    """

    def __init__(self, first: Notifier, folder: Path) -> None:
        self._first = first
        self._folder = folder

    def send(self, message: Message) -> str:
        try:
            return self._first.send(message)
        except AdapterError as error:
            where = ConsoleNotifier(self._folder).send(message).removeprefix("outbox:")
            sys.stderr.write(f"Not delivered yet: {error.message} {error.advice}\n")
            return f"{WAITING}:{where}: {error.message}"

    def deliver_waiting(self) -> tuple[Delivered, ...]:
        """What could be delivered now; the first failure ends the round."""
        delivered = []
        for file in self._claimed():
            try:
                message = _late(json.loads(file.read_text(encoding="utf-8")))
            except (OSError, ValueError, KeyError, ValidationError):
                file.rename(_freed(file).with_suffix(".damaged"))
                continue
            try:
                where = self._first.send(message)
            except AdapterError:
                file.rename(_freed(file))
                break
            file.unlink()
            delivered.append(Delivered(title=message.title, thread=message.thread, where=where))
        return tuple(delivered)

    def _claimed(self) -> Iterator[Path]:
        """Each file by renaming it first: two processes never deliver the same one."""
        for lost in self._folder.glob("*.sending-*"):
            if time.time() - lost.stat().st_mtime > FORGOTTEN_SECONDS:
                with suppress(OSError):
                    lost.rename(_freed(lost))
        for file in sorted(self._folder.glob("*.json"))[:AT_ONCE]:
            mine = file.with_name(f"{file.name}.sending-{os.getpid()}")
            try:
                file.rename(mine)
                os.utime(mine)
            except FileNotFoundError:
                continue  # another process has it
            except OSError as error:
                raise UnavailableError(
                    f"Messages wait in {self._folder}, which cannot be written.",
                    advice="Check the folder's rights.",
                ) from error
            yield mine


def waiting_in(folder: Path) -> list[Path]:
    """Messages that nobody has got yet, oldest first."""
    return sorted([*folder.glob("*.json"), *folder.glob("*.sending-*"), *folder.glob("*.damaged")])


def _freed(file: Path) -> Path:
    return file.with_name(file.name.split(".sending-")[0])


def _late(document: dict[str, object]) -> Message:
    """The message with the time at which it was meant to be read."""
    message = Message.model_validate(document["message"])
    meant = datetime.fromisoformat(str(document["at"]))
    return message.model_copy(
        update={"body": f"(Delayed: this is of {meant:%Y-%m-%d %H:%M} UTC.) {message.body}"}
    )
