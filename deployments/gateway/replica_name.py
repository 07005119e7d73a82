"""One process writes under a replica's name: two would take each other's files for leftovers."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from policies.errors import RefusedError

_AGAIN_SECONDS = 0.05


class ReplicaName:
    """Held as a lock on ``<replica>.lock``, which the system gives back however a process ends."""

    def __init__(self, folder: Path, replica: str) -> None:
        self._folder, self._replica = folder, replica
        self._descriptor: int | None = None

    def take(self, wait_seconds: float) -> None:
        """``RefusedError`` when another process keeps it; ``OSError`` when nobody could hold it."""
        if self._descriptor is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            self._folder / f"{self._replica}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
        until = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() < until:
                    time.sleep(_AGAIN_SECONDS)
                    continue
                os.close(descriptor)
                raise RefusedError(
                    f"Another process writes the log of {self._replica} in {self._folder}.",
                    advice="Give each gateway process a name of its own: --replica NAME.",
                ) from error
            self._descriptor = descriptor
            return

    def give_back(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
