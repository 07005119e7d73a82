"""What is wrong with a policy document, in words, with the field it concerns.

Two questions are asked of a document: does it fit the schema, and do its fields agree with
each other. Both are asked even where the other already found something, so that one reading
names every fault. Places in the document are paths: ``("ramp", 1, "weight_bp")``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from policies.coherence import disagreements
from policies.schema import ReleasePolicy

Where = tuple[str | int, ...]
Fault = tuple[Where, str]
Model = TypeVar("Model", bound=BaseModel)

_WANTED = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_COMPARED = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def read(document: Mapping[str, Any]) -> tuple[ReleasePolicy | None, list[Fault]]:
    """The policy, or every fault. Exactly one of the two is empty."""
    faults = list(disagreements(document))
    try:
        # Strict JSON: "5" is not a number, 1 is not true, while lists may become tuples.
        policy = ReleasePolicy.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        return None, faults + [
            (_where(detail), _say(detail)) for detail in found if not _told(detail, faults)
        ]
    return (None, faults) if faults else (policy, [])


def read_as(document: Mapping[str, Any], schema: type[Model]) -> tuple[Model | None, list[Fault]]:
    """Any other document, or every fault that its schema finds."""
    try:
        return schema.model_validate_json(json.dumps(document), strict=True), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        return None, [(_where(detail), _say(detail, schema)) for detail in found]


def wanted(where: Where, schema: type[BaseModel] = ReleasePolicy) -> str:
    """What may stand at a place of the document."""
    annotation: Any = schema
    for part in where:
        annotation = _inside(annotation, part)
    return _describe(annotation)


def _told(detail: ErrorDetails, faults: list[Fault]) -> bool:
    """The schema's own checks between fields repeat what was already said with its place."""
    where = _where(detail)
    return detail["type"] == "value_error" and any(
        place[: len(where)] == where for place, _ in faults
    )


def _where(detail: ErrorDetails) -> Where:
    """Without Pydantic's marks, as in ``("model", "[text]")``."""
    return tuple(part for part in detail["loc"] if not str(part).startswith("["))


def _say(detail: ErrorDetails, schema: type[BaseModel] = ReleasePolicy) -> str:
    kind, where = detail["type"], _where(detail)
    if kind == "missing":
        return f"is missing. Write {wanted(where, schema)}."
    if kind == "extra_forbidden":
        return _unknown(where, schema)
    if kind == "value_error":
        return f"{detail['msg'].removeprefix('Value error, ')}."
    if kind in _COMPARED:
        key, words = _COMPARED[kind]
        return f"is {_show(detail['input'])}. Write a number {words} {detail['ctx'][key]:g}."
    if kind in ("string_too_short", "too_short"):
        return f"is empty. Write {wanted(where, schema)}."
    return f"is {_show(detail['input'])}. Write {wanted(where, schema)}."


def _unknown(where: Where, schema: type[BaseModel]) -> str:
    known = sorted(_fields(where[:-1], schema))
    close = get_close_matches(str(where[-1]), known, n=1)
    if close:
        return f"is not a field. Did you mean {close[0]}?"
    return f"is not a field. The fields here are: {', '.join(known)}."


def _show(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a block of fields"
    return json.dumps(value)


def _fields(where: Where, schema: type[BaseModel]) -> tuple[str, ...]:
    annotation: Any = schema
    for part in where:
        annotation = _inside(annotation, part)
    plain = _plain(annotation)
    return tuple(plain.model_fields) if _is_model(plain) else ()


def _inside(annotation: Any, part: str | int) -> Any:
    plain = _plain(annotation)
    if _is_model(plain) and part in plain.model_fields:
        return plain.model_fields[part].annotation
    if get_origin(plain) is tuple and isinstance(part, int):
        return get_args(plain)[0]
    if get_origin(plain) is dict:
        return get_args(plain)[1]
    return Any


def _plain(annotation: Any) -> Any:
    """Without constraints and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _plain(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _describe(annotation: Any) -> str:
    plain = _plain(annotation)
    if plain in _WANTED:
        return _WANTED[plain]
    if get_origin(plain) is Literal:
        return f"one of: {', '.join(map(str, get_args(plain)))}"
    if _is_model(plain):
        return f"a block with: {', '.join(plain.model_fields)}"
    if get_origin(plain) is tuple:
        return f"a list, each item {_describe(get_args(plain)[0])}"
    if get_origin(plain) is dict:
        return f"a block of names, each with {_describe(get_args(plain)[1])}"
    if isinstance(plain, type) and hasattr(plain, "__members__"):
        return f"one of: {', '.join(map(str, plain.__members__.values()))}"
    return "a value"


def dotted(where: Where) -> str:
    """``ramp[1].weight_bp``; the whole document is ``document``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.lstrip(".") or "document"
