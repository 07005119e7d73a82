"""The control service's interface, written down: served at ``/openapi.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.control.body import MOST_BYTES, MOST_SECONDS
from deployments.control.metrics import CONTENT_TYPE
from deployments.openapi import (
    COUNT,
    EVENTS,
    FILLED,
    NUMBER,
    TEXT,
    Answer,
    Operation,
    Schema,
    document,
    many,
    of,
    record,
    refusal,
    schemas_of,
    some,
)
from policies.vocabulary import TrafficPlan
from tasks.traffic.document import KILL_TARGETS

_SAYS = (
    "The switch over HTTP, the split for OpenFeature clients (OFREP), and what a scraper reads. "
    "Errors are an object of error and advice; OFREP's own have errorCode and errorDetails."
)
_LIMITED = {429: refusal("Too many calls.", **{"Retry-After": "Seconds to wait."})}
_DENIED = {
    401: refusal(
        "No token, a wrong one, or one of another scope.", **{"WWW-Authenticate": "Bearer"}
    )
}
_AWAY = {503: refusal("There is no good flag document, or the record does not answer.")}
_BODY = {
    408: refusal(f"The body did not come within {MOST_SECONDS:g} s."),
    413: refusal(f"The body is larger than {MOST_BYTES} bytes."),
}
_JSON_BODY = _BODY | {415: refusal("The body is not called application/json.")}
_MOVED: dict[int, Answer] = {
    200: Answer("Published; unrecorded says why the record does not have it.", of("Done")),
    400: refusal("The request is wrong; nothing was asked of the switch."),
    404: refusal("No such path: names have no slash."),
    409: refusal("Refused; nothing has changed."),
    **_DENIED, **_LIMITED, **_JSON_BODY, **_AWAY,
}  # fmt: skip
_ASKED: dict[int, Answer] = {
    400: Answer("The context cannot be evaluated.", of("Failure")), **_DENIED, **_LIMITED,
    **_JSON_BODY, **_AWAY,
}  # fmt: skip
_READ = _DENIED | _LIMITED
_AFTER = COUNT | {"description": "Only while this revision is the published one."}
_CONTEXT: Schema = {
    "type": "object",
    "properties": {
        "context": {
            "type": "object",
            "properties": {"targetingKey": TEXT, "segment": TEXT, "region": TEXT},
        }
    },
    "required": ["context"],
}
_WHY = {"reason": FILLED, "actor": FILLED}


def operations() -> list[Operation]:
    return [*_reading(), *_moving(), *_asking()]


def written() -> dict[str, Any]:
    return document("Seatrial control service", _SAYS, operations(), _schemas())


def _reading() -> list[Operation]:
    health = record(
        {"watch_fault": some(TEXT), "hook_fault": some(TEXT), "watch_seconds_ago": NUMBER}
    )
    flags: Schema = {"type": "object", "required": ["flags"]}
    scraped = Answer("What Prometheus reads.", media=CONTENT_TYPE)
    stream = Answer("The whole document, again at each change.", media=EVENTS)
    itself = Answer("This document.", {"type": "object", "required": ["openapi"]})
    return [
        Operation("GET", "/health", "Does it live?", {200: Answer("Yes.", health), **_LIMITED}),
        Operation("GET", "/openapi.json", "This document.", {200: itself, **_READ}, "read"),
        Operation("GET", "/metrics", "For a scraper.", {200: scraped, **_READ}, "read"),
        Operation(
            "GET", "/flags", "The flag document, in flagd's schema.",
            {200: Answer("As it is published.", flags), **_READ, **_AWAY}, "read",
        ),
        Operation(
            "GET", "/flags/events", "The flag document, pushed (server-sent events).",
            {200: stream, **_READ, 503: refusal("Too many listen already.")}, "read",
        ),
    ]  # fmt: skip


def _moving() -> list[Operation]:
    hint = Answer("Whether somebody looks.", record({"hint": TEXT}))
    kill = record(_WHY, {"to": some({"type": "string", "enum": list(KILL_TARGETS)})})
    delivery = {200: hint, 202: hint, 401: refusal("Not signed, or too old."), **_LIMITED, **_BODY}
    return [
        Operation("POST", "/models/{model}/plan", "Publish a plan.", _MOVED, "route", _plan()),
        Operation("POST", "/models/{model}/kill", "Out of service, now.", _MOVED, "kill", kill),
        Operation(
            "POST", "/models/{model}/restore", "Lift a kill.", _MOVED, "kill",
            record(_WHY, {"after": _AFTER}),
        ),
        Operation(
            "POST", "/hooks/mlflow", "A signed delivery of the registry's webhook.", delivery,
            asks={"type": "object"},
        ),
    ]  # fmt: skip


def _asking() -> list[Operation]:
    etag = {"ETag": "The same for the same answers."}
    every = Answer("Each flag, evaluated or why not.", of("Evaluations"), headers=etag)
    missing = Answer("The switch knows no such model.", of("Failure"))
    return [
        Operation(
            "POST", "/ofrep/v1/evaluate/flags", "All flags for one context (OFREP).",
            {200: every, 304: Answer("It is held already.", headers=etag), **_ASKED}, "read",
            _CONTEXT, {"If-None-Match": "The ETag that is held."},
        ),
        Operation(
            "POST", "/ofrep/v1/evaluate/flags/{key}", "One flag for one context (OFREP).",
            {200: Answer("Evaluated.", of("Evaluation")), 404: missing, **_ASKED}, "read",
            _CONTEXT,
        ),
    ]  # fmt: skip


def _plan() -> Schema:
    """A plan without its model, which the path names; beside it who moves and on what ground."""
    found = _schemas()["TrafficPlan"]["properties"]
    fields = {name: schema for name, schema in found.items() if name not in ("model", "champion")}
    return record({"champion": found["champion"]}, fields | {"actor": FILLED, "after": _AFTER})


def _schemas() -> Mapping[str, Schema]:
    done = {"plan": of("TrafficPlan"), "killed_to": some(TEXT), "unrecorded": some(TEXT)}
    plain: Schema = {"type": ["boolean", "string", "number"]}
    evaluation = {
        "key": TEXT,
        "reason": {"enum": ["STATIC", "SPLIT", "TARGETING_MATCH", "DISABLED"]},
        "variant": TEXT,
        "value": {"type": "object"},
        "metadata": {"type": "object", "additionalProperties": plain},
    }
    each = {"anyOf": [of("Evaluation"), of("Failure")]}
    return {
        **schemas_of(TrafficPlan),
        "Done": record(done),
        "Evaluation": record(evaluation),
        "Evaluations": record({"flags": many(each)}),
        "Failure": record({"errorCode": FILLED, "errorDetails": FILLED}, {"key": TEXT}),
    }
