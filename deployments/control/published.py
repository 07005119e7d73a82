"""The flag document as it is published now, read again only when its file has changed."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any

from policies.errors import UnavailableError
from tasks.traffic.document import check

Document = dict[str, Any]


class Published:
    """Checked like a gateway checks it: a wrong document is not handed on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._held: tuple[tuple[int, int, int], Document] | None = None

    def document(self) -> Document:
        """Not to be changed by whoever gets it. ``UnavailableError`` when there is no good one."""
        with self._lock:
            try:
                stat = self._path.stat()
                seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if self._held is None or self._held[0] != seen:
                    self._held = seen, self._read()
            except FileNotFoundError as error:
                raise UnavailableError(
                    "There is no flag document yet.",
                    advice="seatrial adopt MODEL VERSION makes one.",
                ) from error
            except (OSError, ValueError) as error:
                raise UnavailableError(
                    f"flags.json is broken: {error}", advice="The next change writes a good one."
                ) from error
            return self._held[1]

    def _read(self) -> Document:
        document: Document = json.loads(self._path.read_bytes())
        if faults := check(document):
            raise UnavailableError(
                f"flags.json is wrong: {'; '.join(faults)}.",
                advice="The next change writes a good one.",
            )
        return document
