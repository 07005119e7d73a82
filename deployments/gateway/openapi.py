"""The gateway's interface, written down: served at ``/openapi.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from deployments.gateway.metrics import CONTENT_TYPE
from deployments.gateway.options import Options
from deployments.gateway.recent import Tally
from deployments.gateway.request import NAME_LETTERS
from deployments.openapi import (
    COUNT,
    NUMBER,
    TEXT,
    YES,
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
from policies.vocabulary import Serving
from tasks.traffic.ports import Probe

SCORED = ("champion", "candidate", "previous")
MOST_TIMED_CALLS = 1000
_SAYS = (
    "Predictions by the model that the published plan gives each unit, what came of them, and how "
    "the process is. Errors are an object of error and advice."
)
_NAME: Schema = {"type": "string", "maxLength": NAME_LETTERS}
_ID: Schema = {**_NAME, "minLength": 1}
_UNKNOWN = {404: refusal("No such model here.")}
_WRONG = {400: refusal("The request is wrong: every fault is told, nothing is recorded.")}
_BODY = {
    408: refusal(f"The body did not come within {Options.body_seconds:g} s."),
    413: refusal(f"The body is larger than {Options.request_bytes} bytes."),
    415: refusal("The body is not called application/json."),
}
_TALLY = record({each.name: COUNT for each in fields(Tally)})


def operations() -> list[Operation]:
    return [*_reading(), *_answering()]


def written() -> dict[str, Any]:
    schemas = {**schemas_of(Serving, Probe), **_schemas()}
    return document("Seatrial gateway", _SAYS, operations(), schemas)


def _reading() -> list[Operation]:
    scraped = Answer("What Prometheus reads.", media=CONTENT_TYPE)
    ready = record({"waiting": many(TEXT)})
    seen = Answer("One report of each process that was asked.", many(of("Serving")))
    itself = Answer("This document.", {"type": "object", "required": ["openapi"]})
    return [
        Operation("GET", "/health", "Does it live?", {200: Answer("Yes.", of("Health"))}),
        Operation(
            "GET", "/ready", "Does every model answer?",
            {200: Answer("Yes.", ready), 503: Answer("What it waits for.", ready)},
        ),
        Operation("GET", "/openapi.json", "This document.", {200: itself}),
        Operation("GET", "/metrics", "For a scraper.", {200: scraped}),
        Operation("GET", "/observe/{model}", "What is really served.", {200: seen, **_UNKNOWN}),
    ]  # fmt: skip


def _answering() -> list[Operation]:
    usual = _WRONG | _UNKNOWN | _BODY
    away = {503: refusal("It is being loaded, it cannot answer, or lines are not on file.")}
    token = {401: refusal("The route token is missing or wrong.")}
    lacking = {409: refusal("No such variant is loaded.")}
    return [
        Operation(
            "POST", "/models/{model}/predict", "Scores, each with who gave it.",
            {200: Answer("One answer a row, in order.", of("Answers")), **usual, **away},
            asks=record({"rows": _list(of("Row"))}),
        ),
        Operation(
            "POST", "/models/{model}/outcomes", "What came of predictions: labels and metrics.",
            {200: Answer("On file; how many were odd.", of("Tally")), **usual, **away},
            asks=record({"outcomes": _list({"anyOf": [of("Label"), of("Metric")]})}),
        ),
        Operation(
            "POST", "/models/{model}/variants/{variant}/score",
            "Rows scored by one variant, served to nobody and logged nowhere.",
            {200: Answer("What it said.", of("Probe")), **usual, **token, **lacking},
            "route", _probed(),
        ),
    ]  # fmt: skip


def _probed() -> Schema:
    calls = {"type": "integer", "minimum": 0, "maximum": MOST_TIMED_CALLS}
    return record({"rows": _list({"type": "object"})}, {"timed_calls": calls, "features": YES})


def _list(of_each: Schema) -> Schema:
    return many(of_each) | {"minItems": 1, "maxItems": Options.request_rows}


def _schemas() -> Mapping[str, Schema]:
    answer = {
        "id": TEXT, "score": some(NUMBER), "variant": TEXT, "version": TEXT, "reason": some(TEXT),
    }  # fmt: skip
    label: Schema = {"enum": [0, 1]}
    metric: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}
    counted = ("rows", "fallbacks", "unanswered", "discarded", "mirror_shed", "lines_dropped")
    health = {
        "replica": TEXT, "outcomes": of("Tally"), "document_error": some(TEXT),
        "called": {"type": "object", "additionalProperties": {
            "type": "object", "additionalProperties": TEXT}},
        "spool_error": some(TEXT), **dict.fromkeys(counted, COUNT),
    }  # fmt: skip
    return {
        "Row": record(
            {"id": _ID, "unit": _ID, "inputs": {"type": "object"}},
            {"segment": _NAME, "region": _NAME},
        ),
        "Answers": record({"revision": COUNT, "answers": many(record(answer))}),
        "Label": record({"id": _ID, "label": label}),
        "Metric": record({"id": _ID, "metric": metric, "value": NUMBER}),
        "Tally": _TALLY,
        "Health": {"type": "object", "properties": health, "required": list(health)},
    }
