"""Reading a request's body: JSON only, no more than fits, and no longer than patience lasts.

A body that is not taken is not read either; the connection is closed then, for what would
follow on it is the rest of that body.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from deployments.gateway.options import Options
from deployments.gateway.request import Refusal, read_body

_SEND = "Send a JSON object, with the header content-type: application/json."
UNREAD = (401, 408, 413, 415)  # answered before the body was there


async def read_json(scope: Scope, receive: Receive, options: Options) -> dict[str, Any]:
    _check_type(scope)
    return read_body(await _read(scope, receive, options.request_bytes, options.body_seconds))


def _check_type(scope: Scope) -> None:
    told = _header(scope, b"content-type").decode("latin-1")
    kind = told.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, f"The body is said to be {kind[:50] or 'nothing known'}.", _SEND)


async def _read(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    told = _header(scope, b"content-length")
    if told.isdigit() and int(told) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
                if (size := size + len(parts[-1])) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise Refusal(
            408,
            f"The body did not come within {seconds:g} s.",
            "Send it at once; nothing was done.",
        ) from error
    return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The body is larger than {limit} bytes.", "Send fewer rows at a time.")


def _header(scope: Scope, name: bytes) -> bytes:
    found: bytes = next((value for key, value in scope["headers"] if key == name), b"")
    return found
