"""Before any handler: is this caller within its rate? After it: was it let in at all?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.control.access import Token, held
from deployments.control.limits import Bucket, Limits
from deployments.control.tally import Tally

_UNAUTHORISED = 401
_TOO_MANY = 429


class Admission:
    """Limits every route alike, also those that are added later, and counts how each ended."""

    def __init__(
        self,
        app: ASGIApp,
        token: Token,
        tally: Tally,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._token, self._tally = app, token, tally
        self._calls, self._kills = Bucket(limits.calls, clock), Bucket(limits.kills, clock)
        self._wrong = Bucket(limits.wrong, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        holder = held(Headers(scope=scope), self._token)
        address = (scope.get("client") or ("",))[0]
        bucket = self._kills if holder == "kill" else self._calls
        if wait := bucket.wait((holder, address)):
            self._tally.calls[_handler(scope), _TOO_MANY] += 1
            await _too_many(wait)(scope, receive, send)
            return
        await self._app(scope, receive, self._watched(scope, receive, send, address))

    def _watched(self, scope: Scope, receive: Receive, send: Send, address: str) -> Send:
        """Sees the status on its way out; too many wrong tokens are answered in its place."""
        replaced = False

        async def watch(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                status = message["status"]
                wait = self._wait_after(status, address)
                self._tally.calls[_handler(scope), _TOO_MANY if wait else status] += 1
                if wait:
                    replaced = True
                    await _too_many(wait)(scope, receive, send)
            if not replaced:
                await send(message)

        return watch

    def _wait_after(self, status: int, address: str) -> float:
        """How long whoever was not let in has to wait before it may try again."""
        if status != _UNAUTHORISED:
            return 0.0
        self._tally.denied += 1
        return self._wrong.wait(address)


def _handler(scope: Scope) -> str:
    return getattr(scope.get("endpoint"), "__name__", "none")


def _too_many(wait: float) -> JSONResponse:
    seconds = max(1, math.ceil(wait))
    body = {"error": "Too many calls.", "advice": f"Call again in {seconds} s."}
    return JSONResponse(body, _TOO_MANY, {"retry-after": str(seconds)})
