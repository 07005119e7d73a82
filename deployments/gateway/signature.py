"""Does a request carry what a model's signature asks for? Pure; names every wrong column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_WHOLE = ("integer", "long")
_LARGEST_FLOAT, _LARGEST_DOUBLE = 3.4028234663852886e38, 1.7976931348623157e308
_RANGES: Mapping[str, tuple[float, float]] = {
    "integer": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "float": (-_LARGEST_FLOAT, _LARGEST_FLOAT),
    "double": (-_LARGEST_DOUBLE, _LARGEST_DOUBLE),
}
_SHOWN = 100  # letters of a wrong value that are told
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
        elif column.within is not None:
            found += _faults_at(column.name, column.within, row[column.name], column.required)
        elif not is_fit(column.type, row[column.name], column.required):
            found.append(_misfit(column.name, column.type, row[column.name]))
    return found


def _faults_at(place: str, told: Mapping[str, Any], value: Any, required: bool) -> list[str]:
    """Also of what lists and objects hold, each with its place: ``who.vip``, ``tags[2]``."""
    kind = str(told["type"])
    if not is_fit(kind, value, required):
        return [_misfit(place, kind, value)]
    if kind == "array" and "items" in told and value is not None:
        parts = ((f"{place}[{at}]", told["items"], item) for at, item in enumerate(value))
    elif kind == "map" and "values" in told and value is not None:
        parts = ((f"{place}.{name}", told["values"], item) for name, item in value.items())
    elif kind == "object" and "properties" in told and value is not None:
        return _object_faults(place, told["properties"], value)
    else:
        return []
    return [fault for part in parts for fault in _faults_at(*part, True)]


def _misfit(place: str, kind: str, value: Any) -> str:
    told = repr(value)
    told = told if len(told) <= _SHOWN else f"{told[:_SHOWN]}…"
    return f"{place} is not {_WORDS.get(kind, kind)}: {told}"


def _object_faults(place: str, known: Mapping[str, Any], value: Mapping[str, Any]) -> list[str]:
    found = [f"{place}.{name} is unknown" for name in sorted(value.keys() - known.keys())]
    for name, told in known.items():
        required = bool(told.get("required", True))
        if name in value:
            found += _faults_at(f"{place}.{name}", told, value[name], required)
        elif required:
            found.append(f"{place}.{name} is missing")
    return found


def unknown(known: Set[str], row: Mapping[str, Any]) -> list[str]:
    """Columns no variant asks for: most often a misspelt name of one that is asked for."""
    if row.keys() <= known:
        return []
    return [f"{name[:_SHOWN]} is unknown" for name in sorted(row.keys() - known)]


def is_fit(kind: str, value: Any, required: bool = True) -> bool:
    """Whether a JSON value may stand in a column. Numbers with gaps are allowed to be null."""
    if value is None:
        return kind in ("float", "double", "string", "datetime") or not required
    if kind in _RANGES:
        least, most = _RANGES[kind]
        whole = kind in _WHOLE
        fits = type(value) is int or (type(value) is float and (not whole or value.is_integer()))
        return fits and least <= value <= most  # NaN and what is beyond all numbers lie nowhere
    if kind == "boolean":
        return isinstance(value, bool)
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
