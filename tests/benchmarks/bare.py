"""The least that can serve a model: ``python -m tests.benchmarks.bare STORE DIGEST PORT HOW``.

Raw ASGI on uvicorn that asks the same model the same way as the gateway: directly or through
MLflow, as was proven at load, and with the gateway's own micro-batches (``batched``) or a call for
each request (``single``). It checks nothing, routes nothing, logs nothing and has no fallback:
what the gateway costs more than this is the price of those.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from deployments.gateway.batcher import Batcher
from deployments.gateway.model import Answer, Row, load
from deployments.gateway.table import frame


def create(store: Path, digest: str, how: str) -> Any:
    model = load(store, digest)
    call = model.way.call or (lambda rows: model.pyfunc.predict(frame(model.columns, rows)))

    def score(rows: Sequence[Row], *, mirrored: bool = False) -> list[Answer]:
        return [Answer(row[-1]) for row in call(rows).tolist()]

    async def single(rows: Sequence[Row]) -> list[Answer]:
        return score(rows)

    async def batched(rows: Sequence[Row]) -> list[Answer]:
        return await batcher.ask(rows)

    ask = {"single": single, "batched": batched}[how]
    batcher = Batcher("bare", score, batch_rows=1000, waiting_rows=5000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        rows = orjson.loads(body)["rows"] if body else []  # none: somebody asks whether it is up
        asked = [row["inputs"] for row in rows]
        answers = await ask(asked) if rows else []
        told = [
            {"id": row["id"], "score": each.score} for row, each in zip(rows, answers, strict=True)
        ]
        content = orjson.dumps({"answers": told})
        length = (b"content-length", str(len(content)).encode())
        headers = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def main(store: str, digest: str, port: str, how: str) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the gateway sets them
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.setswitchinterval(0.001)
    app = create(Path(store), digest, how)
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False, lifespan="off"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
