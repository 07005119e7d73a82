"""The control service's HTTP interface. Errors are ``{"error": what, "advice": what to do}``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.control import switch
from deployments.control.access import Denied, Token, require
from deployments.control.admission import Admission
from deployments.control.body import (
    Malformed,
    Unreadable,
    read_json,
    read_object,
    take_revision,
    take_text,
)
from deployments.control.checks import DueChecks, Watch
from deployments.control.hooks import Hook, Unsigned, look_soon
from deployments.control.limits import LIMITS, Limits
from deployments.control.metrics import CONTENT_TYPE, ControlMetrics
from deployments.control.ofrep import etag_of, evaluate, evaluate_all, is_held
from deployments.control.openapi import written
from deployments.control.published import Published
from deployments.control.push import Push
from deployments.control.tally import Tally
from policies.errors import RefusedError, SeatrialError, StaleMoveError
from policies.vocabulary import TrafficPlan
from tasks.connections import World

Handler = Callable[[Request], Any]
MOST_KILLS = 64  # at the same time; each may wait ten seconds for the ledger after it has moved


class Control:
    """The handlers over one world. Blocking work runs in threads."""

    def __init__(self, world: World, token: Token, watch: Watch, hook: Hook, tally: Tally) -> None:
        self._world, self._token, self._watch, self._hook = world, token, watch, hook
        self._published = Published(world.home.flags)
        # Threads of their own: a kill waits for no other call, nor for one whose ledger is slow.
        self._kills = ThreadPoolExecutor(MOST_KILLS, thread_name_prefix="kill")
        self._push = Push(world.home.flags, self._published.document)
        self._metrics = ControlMetrics(tally, watch, hook, self._published)

    async def health(self, _: Request) -> Response:
        ago = round(self._watch.seconds_ago, 1)
        faults = {"watch_fault": self._watch.fault, "hook_fault": self._hook.fault}
        return JSONResponse(faults | {"watch_seconds_ago": ago})

    async def flags(self, request: Request) -> Response:
        require(request, "read", self._token)
        return JSONResponse(await asyncio.to_thread(self._published.document))

    async def events(self, request: Request) -> Response:
        require(request, "read", self._token)
        return self._push.stream()

    async def openapi(self, request: Request) -> Response:
        require(request, "read", self._token)
        return JSONResponse(written())

    async def metrics(self, request: Request) -> Response:
        require(request, "read", self._token)
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def plan(self, request: Request) -> Response:
        require(request, "route", self._token)
        body = await read_object(request)
        actor = take_text({"actor": "route token"} | body, "actor")
        after = take_revision(body)
        asked = {name: value for name, value in body.items() if name not in ("actor", "after")}
        plan = _plan(asked | {"model": request.path_params["model"]})
        return _done(await asyncio.to_thread(switch.route, self._world, plan, actor, after))

    async def kill(self, request: Request) -> Response:
        require(request, "kill", self._token)
        body = await read_object(request)
        model, to = request.path_params["model"], body.get("to")
        if to is not None and not isinstance(to, str):
            advice = "previous, baseline, degraded, error, or leave it out."
            raise Malformed("to is no text.", advice=advice)
        reason, actor = take_text(body, "reason"), take_text(body, "actor")
        move = partial(switch.kill, self._world, model, to, reason, actor)
        return _done(await asyncio.get_running_loop().run_in_executor(self._kills, move))

    async def restore(self, request: Request) -> Response:
        require(request, "kill", self._token)
        body = await read_object(request)
        reason, actor = take_text(body, "reason"), take_text(body, "actor")
        after = take_revision(body)
        model = request.path_params["model"]
        done = await asyncio.to_thread(switch.restore, self._world, model, reason, actor, after)
        return _done(done)

    async def ofrep(self, request: Request) -> Response:
        require(request, "read", self._token)
        body = await read_json(request)
        document = await asyncio.to_thread(self._published.document)
        status, reply = evaluate(document, request.path_params["key"], body, self._world.clock.now)
        return JSONResponse(reply, status)

    async def ofrep_all(self, request: Request) -> Response:
        require(request, "read", self._token)
        body = await read_json(request)
        document = await asyncio.to_thread(self._published.document)
        status, reply = evaluate_all(document, body, self._world.clock.now)
        if status != 200:
            return JSONResponse(reply, status)
        headers = {"etag": etag_of(reply)}
        if is_held(headers["etag"], request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
        return JSONResponse(reply, headers=headers)


def create_app(
    world: World,
    token: Token,
    checks: DueChecks,
    *,
    every_seconds: float = 5.0,
    limits: Limits = LIMITS,
) -> Starlette:
    """``checks`` is called every few seconds in a thread (see ``deployments.control.checks``)."""
    watch = Watch(checks, every_seconds)
    hook = Hook(lambda: token("hook"), lambda: look_soon(world))
    tally = Tally()
    control = Control(world, token, watch, hook, tally)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(watch.run())
        yield
        task.cancel()

    return Starlette(
        routes=[
            Route("/health", control.health),
            Route("/flags", control.flags),
            Route("/flags/events", control.events),
            Route("/metrics", control.metrics),
            Route("/openapi.json", control.openapi),
            Route("/models/{model}/plan", control.plan, methods=["POST"]),
            Route("/models/{model}/kill", control.kill, methods=["POST"]),
            Route("/models/{model}/restore", control.restore, methods=["POST"]),
            Route("/hooks/mlflow", hook.receive, methods=["POST"]),
            Route("/ofrep/v1/evaluate/flags", control.ofrep_all, methods=["POST"]),
            Route("/ofrep/v1/evaluate/flags/{key}", control.ofrep, methods=["POST"]),
        ],
        exception_handlers={
            Denied: _denied,
            Unsigned: _unsigned,
            Unreadable: _unreadable,
            SeatrialError: _failed,
            HTTPException: _http,
        },
        middleware=[Middleware(Admission, token=token, tally=tally, limits=limits)],
        lifespan=lifespan,
    )


def _plan(asked: dict[str, Any]) -> TrafficPlan:
    try:
        return TrafficPlan.model_validate_json(json.dumps(asked), strict=True)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()]
        raise Malformed(
            f"No traffic plan: {'; '.join(faults)}.", advice="Send the fields of a TrafficPlan."
        ) from error


def _done(done: switch.Done) -> Response:
    plan = done.plan.model_dump(mode="json")
    body = {"plan": plan, "killed_to": done.killed_to, "unrecorded": done.unrecorded}
    return JSONResponse(body)


async def _denied(_: Request, error: Exception) -> Response:
    advice = f"Send the {error} token of tokens.json as a bearer token."
    headers = {"www-authenticate": "Bearer"}
    return JSONResponse({"error": "Not authorised.", "advice": advice}, 401, headers)


async def _unsigned(_: Request, __: Exception) -> Response:
    advice = "Sign with the hook token of tokens.json, as MLflow does; send within five minutes."
    return JSONResponse({"error": "Not authorised.", "advice": advice}, 401)


async def _unreadable(_: Request, error: Exception) -> Response:
    assert isinstance(error, Unreadable)  # noqa: S101 - Starlette's handlers take any exception
    return JSONResponse({"error": error.error, "advice": error.advice}, error.status)


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, SeatrialError)  # noqa: S101 - Starlette's handlers take any exception
    refused = isinstance(error, RefusedError | StaleMoveError)
    status = 400 if isinstance(error, Malformed) else 409 if refused else 503
    return JSONResponse({"error": error.message, "advice": error.advice}, status)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    advice = "GET /openapi.json lists what is here; POST /models/{model}/kill takes a model out."
    return JSONResponse({"error": error.detail, "advice": advice}, error.status_code)
