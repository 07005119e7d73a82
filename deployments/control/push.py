"""The flag document as a stream of events, so that readers elsewhere need not poll for it.

Each event is the whole document, checked like a gateway checks it: a wrong one is not sent, and
whoever listens goes on with the last good one. A comment every few seconds tells a reader that
the connection lives.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from policies.errors import SeatrialError, UnavailableError

LOOK_SECONDS = 0.01
BEAT_SECONDS = 5.0
MOST_LISTENERS = 64


class Push:
    """``document``: reads and checks the document; raises when there is none that may be told."""

    def __init__(self, path: Path, document: Callable[[], dict[str, Any]]) -> None:
        self._path, self._document = path, document
        self._listeners = 0

    def stream(self) -> Response:
        if self._listeners >= MOST_LISTENERS:
            raise UnavailableError(
                f"{MOST_LISTENERS} readers listen already.", advice="Poll GET /flags instead."
            )
        headers = {"cache-control": "no-store"}
        return StreamingResponse(self._events(), headers=headers, media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        self._listeners += 1
        try:
            seen, beat = None, time.monotonic()
            while True:
                now = self._stamp()
                if now != seen:
                    seen = now
                    if (told := await asyncio.to_thread(self._told)) is not None:
                        yield f"event: flags\ndata: {told}\n\n"
                        beat = time.monotonic()
                if time.monotonic() - beat > BEAT_SECONDS:
                    yield ": still here\n\n"
                    beat = time.monotonic()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._listeners -= 1

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _told(self) -> str | None:
        try:
            return json.dumps(self._document(), separators=(",", ":"))
        except SeatrialError:
            return None
