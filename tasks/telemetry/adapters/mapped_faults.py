"""What a team's table lacks of its mapping: every column that is missing or of another kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from policies.mapping import Arms, Constant, Scaled, TelemetryMap

Where = tuple[str | int, ...]
Fault = tuple[Where, str]
IsKind = Callable[[Any], bool]
_SHOWN = 20  # columns named of a wide table


def _is_text(kind: Any) -> bool:
    return bool(kind.is_string() or kind.is_integer() or kind.is_uuid())


def _is_number(kind: Any) -> bool:
    return bool(kind.is_numeric() or kind.is_boolean())


def _is_yes_no(kind: Any) -> bool:
    return bool(kind.is_boolean() or kind.is_integer())


def _is_anything(_: Any) -> bool:
    return True


TEXT: tuple[IsKind, str] = (_is_text, "text or a whole number")
NUMBER: tuple[IsKind, str] = (_is_number, "a number")
YES_NO: tuple[IsKind, str] = (_is_yes_no, "true or false")
WHOLE: tuple[IsKind, str] = (lambda kind: bool(kind.is_integer()), "a whole number")
TIME: tuple[IsKind, str] = (lambda kind: bool(kind.is_timestamp()), "a time")
ANY: tuple[IsKind, str] = (_is_anything, "anything")
WANTED = {
    "id": TEXT, "at": TIME, "model": TEXT, "unit": TEXT, "version": TEXT, "release": TEXT,
    "step": TEXT, "weight_bp": WHOLE, "arm": TEXT, "served": YES_NO, "score": NUMBER,
    "error": TEXT, "latency_ms": NUMBER, "label": NUMBER, "label_at": TIME, "metric": TEXT,
    "value": NUMBER, "inputs": ANY,
}  # fmt: skip


def faults_of(mapping: TelemetryMap, kind: str, table: Any) -> Iterator[Fault]:
    """Each with its place below the section. ``table`` is only asked for its schema."""
    schema = table.schema()
    for field, where, column in _named(mapping.sections()[kind].columns):
        place = ("columns", *where)
        if column not in schema:
            names = list(schema)
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield place, f"there is no column {column}; there are: {_listed(names)}{more}."
            continue
        fits, wanted = WANTED[field]
        if not fits(schema[column]):
            yield place, f"{column} is {schema[column]}; {wanted} is needed."
        elif wanted == TIME[1] and schema[column].timezone is None and mapping.time_zone is None:
            yield place, f"{column} has no zone. Write time_zone: UTC, or the zone it is kept in."


def _named(columns: Any) -> Iterator[tuple[str, Where, str]]:
    """Seatrial's field, its place and the team's column, for every column that is named."""
    for field in type(columns).model_fields:
        told = getattr(columns, field)
        if isinstance(told, str):
            yield field, (field,), told
        elif isinstance(told, Scaled | Arms):
            yield field, (field, "column"), told.column
        elif isinstance(told, tuple):
            yield from ((field, (field, index), each) for index, each in enumerate(told))
        elif told is not None and not isinstance(told, Constant):
            raise TypeError(f"{field} is told by a {type(told).__name__}")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN])
