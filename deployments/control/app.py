"""The control service's HTTP interface. Errors are ``{"error": what, "advice": what to do}``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.control import switch
from deployments.control.access import Denied, Token, require
from deployments.control.checks import DueChecks, Watch
from deployments.control.hooks import Hook, TooLarge, Unsigned, look_soon
from deployments.control.ofrep import evaluate
from deployments.control.push import Push
from policies.errors import RefusedError, SeatrialError, UnavailableError
from policies.vocabulary import TrafficPlan
from tasks.connections import World
from tasks.traffic.document import check

Handler = Callable[[Request], Any]


class Malformed(RefusedError):
    """The request itself is wrong: nothing was asked of the switch."""


class Control:
    """The handlers over one world. Blocking work runs in threads."""

    def __init__(self, world: World, token: Token, watch: Watch, hook: Hook) -> None:
        self._world, self._token, self._watch, self._hook = world, token, watch, hook
        self._push = Push(world.home.flags, self._document)

    async def health(self, _: Request) -> Response:
        ago = round(self._watch.seconds_ago, 1)
        faults = {"watch_fault": self._watch.fault, "hook_fault": self._hook.fault}
        return JSONResponse(faults | {"watch_seconds_ago": ago})

    async def flags(self, request: Request) -> Response:
        require(request, "read", self._token)
        return JSONResponse(await asyncio.to_thread(self._document))

    async def events(self, request: Request) -> Response:
        require(request, "read", self._token)
        return self._push.stream()

    async def plan(self, request: Request) -> Response:
        require(request, "route", self._token)
        body = await _body(request)
        actor = str(body.pop("actor", "route token"))
        try:
            plan = TrafficPlan.model_validate(body | {"model": request.path_params["model"]})
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()]
            raise Malformed(
                f"No traffic plan: {'; '.join(faults)}.", advice="Send the fields of a TrafficPlan."
            ) from error
        return _done(await asyncio.to_thread(switch.route, self._world, plan, actor))

    async def kill(self, request: Request) -> Response:
        require(request, "kill", self._token)
        body = await _body(request)
        model, to = request.path_params["model"], body.get("to")
        if to is not None and not isinstance(to, str):
            advice = "previous, baseline, degraded, error, or leave it out."
            raise Malformed("to is no text.", advice=advice)
        reason, actor = _text(body, "reason"), _text(body, "actor")
        return _done(await asyncio.to_thread(switch.kill, self._world, model, to, reason, actor))

    async def restore(self, request: Request) -> Response:
        require(request, "kill", self._token)
        body = await _body(request)
        model, reason, actor = (
            request.path_params["model"],
            _text(body, "reason"),
            _text(body, "actor"),
        )
        return _done(await asyncio.to_thread(switch.restore, self._world, model, reason, actor))

    async def ofrep(self, request: Request) -> Response:
        require(request, "read", self._token)
        document = await asyncio.to_thread(self._document)
        status, reply = evaluate(document, request.path_params["key"], await _body(request))
        return JSONResponse(reply, status)

    def _document(self) -> dict[str, Any]:
        """Checked like a gateway checks it: a wrong document is not handed on."""
        try:
            document: dict[str, Any] = json.loads(self._world.home.flags.read_bytes())
        except FileNotFoundError as error:
            raise UnavailableError(
                "There is no flag document yet.", advice="seatrial adopt MODEL VERSION makes one."
            ) from error
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"flags.json is broken: {error}", advice="The next change writes a good one."
            ) from error
        if faults := check(document):
            raise UnavailableError(
                f"flags.json is wrong: {'; '.join(faults)}.",
                advice="The next change writes a good one.",
            )
        return document


def create_app(
    world: World, token: Token, checks: DueChecks, *, every_seconds: float = 5.0
) -> Starlette:
    """``checks`` is called every few seconds in a thread (see ``deployments.control.checks``)."""
    watch = Watch(checks, every_seconds)
    hook = Hook(lambda: token("hook"), lambda: look_soon(world))
    control = Control(world, token, watch, hook)

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
            Route("/models/{model}/plan", control.plan, methods=["POST"]),
            Route("/models/{model}/kill", control.kill, methods=["POST"]),
            Route("/models/{model}/restore", control.restore, methods=["POST"]),
            Route("/hooks/mlflow", hook.receive, methods=["POST"]),
            Route("/ofrep/v1/evaluate/flags/{key}", control.ofrep, methods=["POST"]),
        ],
        exception_handlers={
            Denied: _denied,
            Unsigned: _unsigned,
            TooLarge: _too_large,
            SeatrialError: _failed,
            HTTPException: _http,
        },
        lifespan=lifespan,
    )


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise Malformed("The body is no JSON.", advice="Send a JSON object.") from error
    if not isinstance(body, dict):
        raise Malformed("The body is no JSON object.", advice="Send a JSON object.")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Malformed(f"{name} is missing.", advice=f"Send {name} as text: it is recorded.")
    return value


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


async def _too_large(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "The body is too large.", "advice": "At most 64 KiB."}, 413)


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, SeatrialError)  # noqa: S101 - Starlette's handlers take any exception
    status = (
        400 if isinstance(error, Malformed) else 409 if isinstance(error, RefusedError) else 503
    )
    return JSONResponse({"error": error.message, "advice": error.advice}, status)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    advice = "GET /health, /flags; POST /models/{model}/plan, /kill or /restore."
    return JSONResponse({"error": error.detail, "advice": advice}, error.status_code)
