"""The gateway's HTTP interface. Errors are ``{"error": what, "advice": what to do}``."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.gateway.body import UNREAD, read_json
from deployments.gateway.gateway import Gateway
from deployments.gateway.metrics import CONTENT_TYPE, GatewayMetrics
from deployments.gateway.openapi import MOST_TIMED_CALLS, SCORED, written
from deployments.gateway.predict import Predict
from deployments.gateway.request import Refusal, read_list, read_outcomes
from policies.errors import UnavailableError


def create_app(gateway: Gateway, route_token: Callable[[], str | None]) -> Starlette:
    """``route_token`` is asked at every use, so a token made after the start counts."""

    metrics = GatewayMetrics(gateway)

    async def scraped(_: Request) -> Response:
        return Response(await metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def openapi(_: Request) -> Response:
        return JSONResponse(written())

    async def health(_: Request) -> Response:
        counts, spool = gateway.counts, gateway.spool
        return JSONResponse(
            {
                "replica": gateway.options.replica,
                "rows": counts.rows,
                "fallbacks": counts.fallbacks,
                "unanswered": counts.unanswered,
                "discarded": counts.discarded,
                "mirror_shed": counts.shed,
                "outcomes": asdict(gateway.recent.total),
                "lines_dropped": spool.dropped,
                "called": gateway.called(),
                "document_error": gateway.document_error,
                "spool_error": spool.fault,
            }
        )

    async def ready(_: Request) -> Response:
        waiting = gateway.not_ready()
        return JSONResponse({"waiting": waiting}, 503 if waiting else 200)

    async def observe(request: Request) -> Response:
        reports = gateway.observe(request.path_params["model"])
        return JSONResponse([report.model_dump(mode="json") for report in reports])

    async def outcomes(request: Request) -> Response:
        body = await read_json(request.scope, request.receive, gateway.options)
        read = read_outcomes(body, gateway.options.request_rows)
        tally = await gateway.record(request.path_params["model"], read)
        return JSONResponse(asdict(tally))

    async def score(request: Request) -> Response:
        _authorise(request, route_token())
        body = await read_json(request.scope, request.receive, gateway.options)
        rows = read_list(body, "rows", gateway.options.request_rows)
        calls, features = body.get("timed_calls", 0), body.get("features", False)
        name = request.path_params["variant"]
        if name not in SCORED or not all(isinstance(row, dict) for row in rows):
            raise Refusal(400, "Not a variant and a list of rows.", f"Variants: {SCORED}.")
        if type(calls) is not int or not 0 <= calls <= MOST_TIMED_CALLS:
            raise Refusal(400, "timed_calls is out of range.", f"0 to {MOST_TIMED_CALLS}.")
        model = request.path_params["model"]
        probe = await gateway.probe(model, name, rows, calls, features is True)
        return JSONResponse(probe.model_dump(mode="json"))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        gateway.start()
        yield
        await gateway.stop()

    return Starlette(
        routes=[
            Route("/models/{model}/predict", Predict(gateway), methods=["POST"]),
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", scraped),
            Route("/openapi.json", openapi),
            Route("/observe/{model}", observe),
            Route("/models/{model}/outcomes", outcomes, methods=["POST"]),
            Route("/models/{model}/variants/{variant}/score", score, methods=["POST"]),
        ],
        exception_handlers={
            Refusal: _refused,
            UnavailableError: _unavailable,
            HTTPException: _http,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


def _authorise(request: Request, token: str | None) -> None:
    """Without a token on record nobody is let in."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is None or not hmac.compare_digest(given.encode(), token.encode()):
        raise Refusal(401, "The route token is missing or wrong.", "See tokens.json in the home.")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - Starlette's handlers are typed for any
    headers = {"connection": "close"} if error.status in UNREAD else None
    return JSONResponse({"error": error.error, "advice": error.advice}, error.status, headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, UnavailableError)  # noqa: S101
    return JSONResponse({"error": error.message, "advice": error.advice}, 503)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # for nobody: who asked is not there any more


async def _failed(_: Request, __: Exception) -> Response:
    """A fault of ours: it is told here without its insides, and in the log with them."""
    return JSONResponse({"error": "The gateway failed.", "advice": "See its log."}, 500)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    advice = "GET /openapi.json lists what is here; POST /models/{model}/predict asks a model."
    return JSONResponse({"error": str(error.detail), "advice": advice}, error.status_code)
