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
            continue
        told = column.within or {"type": column.type}
        found += _faults_at(column.name, told, row[column.name], column.required)
    return found


def _faults_at(place: str, told: Mapping[str, Any], value: Any, required: bool) -> list[str]:
    """Also of what lists and objects hold, each with its place: ``who.vip``, ``tags[2]``."""
    kind = str(told["type"])
    if not is_fit(kind, value, required):
        return [f"{place} is not {_WORDS.get(kind, kind)}: {value!r}"]
    if kind == "array" and "items" in told and value is not None:
        parts = ((f"{place}[{at}]", told["items"], item) for at, item in enumerate(value))
    elif kind == "map" and "values" in told and value is not None:
        parts = ((f"{place}.{name}", told["values"], item) for name, item in value.items())
    elif kind == "object" and "properties" in told and value is not None:
        return _object_faults(place, told["properties"], value)
    else:
        return []
    return [fault for part in parts for fault in _faults_at(*part, True)]


def _object_faults(place: str, known: Mapping[str, Any], value: Mapping[str, Any]) -> list[str]:
    found = [f"{place}.{name} is unknown" for name in sorted(value.keys() - known.keys())]
    for name, told in known.items():
        required = bool(told.get("required", True))
        if name in value:
            found += _faults_at(f"{place}.{name}", told, value[name], required)
        elif required:
            found.append(f"{place}.{name} is missing")
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
    return True  # MLflow's own kinds (tensors, any): the model judges


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
