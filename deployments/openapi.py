"""An HTTP interface of this program, written down as OpenAPI 3.1: by hand, and held to by tests.

The tests compare the routes with what stands here, ask for every status that is declared, and
send what nobody thought of (Schemathesis).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic.json_schema import models_json_schema

from policies.vocabulary import Value

Schema = dict[str, Any]
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
ERROR = "Error"
_REFERENCE = "#/components/schemas/"


class Answer(NamedTuple):
    """``schema`` ``None``: no body, or a text without one."""

    says: str
    schema: Schema | None = None
    media: str = JSON
    headers: Mapping[str, str] = {}  # name -> what it says


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    says: str
    answers: Mapping[int, Answer]
    token: str | None = None  # the scope whose token it takes; None: open
    asks: Schema | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # optional ones, and what they do

    @property
    def never_ends(self) -> bool:
        return any(answer.media == EVENTS for answer in self.answers.values())


def of(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": _REFERENCE + name}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object of these fields and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def some(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


TEXT: Schema = {"type": "string"}
FILLED: Schema = {"type": "string", "pattern": r"\S"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES: Schema = {"type": "boolean"}


def refusal(says: str, **headers: str) -> Answer:
    """``{"error": what, "advice": what to do}``."""
    return Answer(says, of(ERROR), headers=headers)


def schemas_of(*values: type[Value]) -> dict[str, Schema]:
    """The frozen values as they are checked when somebody sends one."""
    _, found = models_json_schema(
        [(value, "validation") for value in values], ref_template=_REFERENCE + "{model}"
    )
    return dict(found["$defs"])


def document(
    title: str, says: str, operations: Iterable[Operation], schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    error = record({"error": FILLED, "advice": TEXT})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": says},
        "paths": paths,
        "components": {
            "schemas": {**schemas, ERROR: error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    answers = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    written: dict[str, Any] = {
        "summary": operation.says,
        "parameters": [*_of_path(operation.path), *_of_headers(operation.headers)],
        "responses": answers,
    }
    if operation.token is not None:
        written["security"] = [{"token": []}]
        written["description"] = f"Takes the {operation.token} token."
    if operation.asks is not None:
        content = {JSON: {"schema": operation.asks}}
        written["requestBody"] = {"required": True, "content": content}
    return written


def _of_path(path: str) -> list[Schema]:
    schema = {"type": "string", "pattern": "^[^/]+$"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _of_headers(headers: Mapping[str, str]) -> list[Schema]:
    return [
        {"name": name, "in": "header", "description": says, "schema": TEXT}
        for name, says in headers.items()
    ]


def _answer(answer: Answer) -> dict[str, Any]:
    written: dict[str, Any] = {"description": answer.says}
    if answer.schema is not None or answer.media != JSON:
        schema = TEXT if answer.schema is None else answer.schema
        written["content"] = {answer.media: {"schema": schema}}
    if answer.headers:
        written["headers"] = {
            name: {"description": says, "schema": TEXT} for name, says in answer.headers.items()
        }
    return written
