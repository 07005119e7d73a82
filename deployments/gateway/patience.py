"""Connections that say nothing, or say it letter by letter, are closed."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deployments.gateway.options import Options

_LATE = (
    b'{"error": "The request did not come in time.", "advice": "Send it at once."}',
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n",
)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn waits for ever for a connection's first headers; this waits for some seconds.

    Between two requests its own, shorter timeout holds until the first byte of the next.
    """

    seconds: ClassVar[float] = Options.body_seconds
    _has_begun = False  # a request of which not all headers have come
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_begun and self._waiting is None:  # most often all headers come at once
            self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_begun = True

    def on_headers_complete(self) -> None:
        self._has_begun = False
        self._stop_waiting()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.seconds, self._close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            body, head = _LATE
            self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            self.transport.close()
