"""Does a request carry what a model's signature asks for? Pure; names every wrong column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_WHOLE = {"integer": 31, "long": 63}  # bits without the sign
_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number (32 bit)",
    "long": "a whole number",
    "float": "a number or null",
    "double": "a number or null",
    "string": "a text or null",
    "datetime": "an ISO 8601 time or null",
    "array": "a list",
    "object": "an object",
    "map": "an object",
}


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # MLflow's word for it
    required: bool = True
    within: Mapping[str, Any] | None = None  # of lists and objects: what they hold


def faults(columns: Sequence[Column], row: Mapping[str, Any]) -> list[str]:
    """Missing and mistyped columns of one row; unknown ones are ``unknown``'s business."""
    found = []
    for column in columns:
        if column.name not in row:
            if column.required:
                found.append(f"{column.name} is missing")
        elif not is_fit(column.type, row[column.name], column.required):
            words = _WORDS.get(column.type, column.type)
            found.append(f"{column.name} is not {words}: {row[column.name]!r}")
    return found


def unknown(known: Iterable[str], row: Mapping[str, Any]) -> list[str]:
    """Columns no variant asks for: most often a misspelt name of one that is asked for."""
    return [f"{name} is unknown" for name in sorted(row.keys() - set(known))]


def is_fit(kind: str, value: Any, required: bool = True) -> bool:
    """Whether a JSON value may stand in a column. Numbers with gaps are allowed to be null."""
    if value is None:
        return kind in ("float", "double", "string", "datetime") or not required
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in _WHOLE:
        whole = type(value) is int or (type(value) is float and value.is_integer())
        return whole and -(2 ** _WHOLE[kind]) <= value < 2 ** _WHOLE[kind]
    if kind in ("float", "double"):
        return type(value) in (int, float) and math.isfinite(value)
    if kind == "string":
        return isinstance(value, str)
    if kind == "datetime":
        return isinstance(value, str) and _is_time(value)
    if kind == "array":
        return isinstance(value, list)
    if kind in ("object", "map"):
        return isinstance(value, dict)
    return True  # what lies within lists and objects: the model judges


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
