"""``POST /models/{model}/predict`` as plain ASGI: the one route where microseconds count."""

from __future__ import annotations

import orjson
from starlette.types import Receive, Scope, Send

from deployments.gateway.body import read_json
from deployments.gateway.gateway import Gateway
from deployments.gateway.request import read_rows

_JSON = (b"content-type", b"application/json")


class Predict:
    """Refusals are raised, for the application's handlers to put into words."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._gateway.options
        rows = read_rows(await read_json(scope, receive, options), options.request_rows)
        reply = await self._gateway.predict(scope["path_params"]["model"], rows)
        answers = [
            {
                "id": row.id,
                "score": given.score,
                "variant": given.arm,
                "version": given.version,
                "reason": given.reason,
            }
            for row, given in zip(rows, reply.answers, strict=True)
        ]
        body = orjson.dumps({"revision": reply.revision, "answers": answers})
        headers = [_JSON, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
