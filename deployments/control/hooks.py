"""The registry's webhook: a hint to look at the registry now, and nothing else.

MLflow signs ``<delivery id>.<timestamp>.<body>`` with HMAC-SHA256 and sends the three as
``X-MLflow-Signature`` (``v1,<base64>``), ``X-MLflow-Delivery-Id`` and ``X-MLflow-Timestamp``
(seconds). A forged or an old delivery is refused, a repeated one does nothing. Nothing of the
body is believed: whoever could send a false one gains a look at the registry, which polling
would take a few minutes later anyway.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.control.body import read
from policies.errors import SeatrialError
from policies.requests import REQUEST_TAG, REQUESTER_TAG
from tasks.connections import World

OLDEST_SECONDS = 300.0  # MLflow tries a delivery for about a minute; clocks differ by less
REMEMBERED = 10_000  # deliveries: a thousand an hour for longer than they are young enough
REGISTER = "register/register"
SOON = timedelta(seconds=30)  # a look that begins by then sees what a hint is about
VERSION_EVENTS = ("registered_model", "model_version", "model_version_tag", "model_version_alias")
OUR_TAGS = (REQUEST_TAG, REQUESTER_TAG)


def look_soon(world: World) -> None:
    """Have the registry looked at, unless that is about to happen: hints come in bursts."""
    soon = datetime.now(UTC) + SOON
    for run in world.orchestrator.runs(REGISTER):
        if run.state in ("SCHEDULED", "PENDING") and (run.due is None or run.due <= soon):
            return
    world.orchestrator.launch(REGISTER, {}, name="register, on a hint")


class Unsigned(Exception):
    """Not from the registry, or too old: told alike, so that nobody learns which."""


def check_delivery(headers: Mapping[str, str], body: bytes, secret: str | None, now: float) -> str:
    """The delivery's id; ``Unsigned`` unless it is signed with the secret, and young."""
    delivery = headers.get("x-mlflow-delivery-id", "")
    stamp = headers.get("x-mlflow-timestamp", "")
    version, _, given = headers.get("x-mlflow-signature", "").partition(",")
    if not secret or version != "v1" or not delivery or not (stamp.isascii() and stamp.isdigit()):
        raise Unsigned
    signed = b".".join((delivery.encode(), stamp.encode(), body))
    expected = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))
    if not hmac.compare_digest(expected, given.encode()):
        raise Unsigned
    if abs(now - int(stamp)) > OLDEST_SECONDS:
        raise Unsigned
    return delivery


class Hook:
    """Answers at once; ``look`` runs in a thread, one at a time, once more when asked meanwhile."""

    def __init__(
        self,
        secret: Callable[[], str | None],
        look: Callable[[], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret, self._look, self._clock = secret, look, clock
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self.fault: str | None = None

    async def receive(self, request: Request) -> Response:
        body = await read(request)
        delivery = check_delivery(request.headers, body, self._secret(), self._clock())
        if delivery in self._seen:
            return JSONResponse({"hint": "seen before"})
        self._seen[delivery] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if not _is_of_a_version(body):
            return JSONResponse({"hint": "not about a version"})
        self._hint()
        return JSONResponse({"hint": "taken"}, 202)

    def _hint(self) -> None:
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._again:
            self._again = False
            try:
                await asyncio.to_thread(self._look)
                self.fault = None
            except SeatrialError as error:  # polling finds what this hint was about
                self.fault = str(error)


def _is_of_a_version(body: bytes) -> bool:
    try:
        told: Any = json.loads(body)
    except ValueError:
        return False
    if not isinstance(told, dict) or told.get("entity") not in VERSION_EVENTS:
        return False
    data = told.get("data")
    key = data.get("key") if isinstance(data, dict) else None
    return told["entity"] != "model_version_tag" or key in OUR_TAGS
