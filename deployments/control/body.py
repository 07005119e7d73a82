"""Reading what was sent: bounded in size and time, JSON, and no more than JSON can say."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from starlette.requests import Request

from policies.errors import RefusedError

MOST_BYTES = 64 * 1024
MOST_SECONDS = 10.0


class Malformed(RefusedError):
    """The request itself is wrong: nothing was asked of the switch."""


class Unreadable(Exception):
    """The body was not read to its end, or is of a kind nobody reads here."""

    def __init__(self, status: int, error: str, advice: str) -> None:
        super().__init__(error)
        self.status, self.error, self.advice = status, error, advice


async def read(request: Request) -> bytes:
    """``Unreadable`` for what is larger than any request needs to be, or never ends."""
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _bounded(request)
    except TimeoutError as error:
        raise Unreadable(
            408, "The body did not come to its end.", f"Send it within {MOST_SECONDS:g} s."
        ) from error


async def read_json(request: Request) -> bytes:
    """A body that says that it is JSON; whether it is, ``parsed`` tells."""
    text = await read(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if text and kind != "application/json":
        raise Unreadable(415, "The body is not called JSON.", "Content-Type: application/json")
    return text


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body; no body is an empty one."""
    return parsed(await read_json(request) or b"{}")


def parsed(text: bytes) -> dict[str, Any]:
    """``Malformed`` for anything but an object of JSON's own values and of Unicode texts."""
    try:
        body = json.loads(text, parse_constant=_no_constant)
        json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Malformed("The body is no JSON.", advice="Send a JSON object.") from error
    if not isinstance(body, dict):
        raise Malformed("The body is no JSON object.", advice="Send a JSON object.")
    return body


def take_text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Malformed(f"{name} is missing.", advice=f"Send {name} as text: it is recorded.")
    return value


def take_revision(body: dict[str, Any], name: str = "after") -> int | None:
    value = body.pop(name, None)
    if value is not None and (type(value) is not int or value < 0):
        raise Malformed(
            f"{name} is no revision.", advice="Send the revision you decided on, or leave it out."
        )
    return value


async def _bounded(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Unreadable(
                413, "The body is too large.", f"At most {MOST_BYTES // 1024} KiB are read."
            )
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
