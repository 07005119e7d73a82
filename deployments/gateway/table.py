"""Rows of JSON as a model takes them: a table, or plain numbers, of the signature's types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from deployments.gateway.signature import Column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Row = Mapping[str, Any]
_NO_NULL = ("integer", "long")  # a table's whole numbers know no gap
_NUMBERS = (*_NO_NULL, "float", "double")
_DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "datetime": "datetime64[ns]",
}


def by_gaps(columns: Sequence[Column], rows: Sequence[Row]) -> Iterable[list[int]]:
    """Places of the rows that leave out the same whole numbers."""
    whole = [column.name for column in columns if column.type in _NO_NULL]
    groups: dict[tuple[str, ...], list[int]] = {}
    for at, row in enumerate(rows):
        gaps = tuple(name for name in whole if row.get(name) is None)
        groups.setdefault(gaps, []).append(at)
    return groups.values()


def frame(columns: Sequence[Column], rows: Sequence[Row]) -> pd.DataFrame:
    """Columns of exactly the signature's types, so that the schema check has nothing to convert.

    An optional whole number that no row of the batch has is left out: it has no null.
    """
    import numpy as np
    import pandas as pd

    table: dict[str, Any] = {}
    for column in columns:
        values = [row.get(column.name) for row in rows]
        if column.type in _NO_NULL and all(value is None for value in values):
            continue
        kind = _DTYPES.get(column.type)
        if kind is None or (None in values and column.type not in ("float", "double", "datetime")):
            table[column.name] = np.empty(len(values), dtype=object)
            for at, value in enumerate(values):  # one by one: a list of lists is no matrix here
                table[column.name][at] = _typed(column.within, value)
        elif column.type == "datetime":
            table[column.name] = _times(values)
        else:
            table[column.name] = np.array(values, dtype=kind)
    return pd.DataFrame(table)


def has_only_numbers(columns: Sequence[Column]) -> bool:
    """Whether ``numbers`` can hold every row: nothing but numbers, and no gap but NaN.

    Columns of 32 bit stand by themselves, else the others would lose digits or they gain some.
    """
    kinds = {column.type for column in columns}
    whole = all(column.required for column in columns if column.type in _NO_NULL)
    return bool(kinds) and whole and (kinds <= {*_NO_NULL, "double"} or kinds == {"float"})


def numbers(columns: Sequence[Column], rows: Sequence[Row]) -> np.ndarray[Any, Any]:
    """The same as ``frame(...).to_numpy()``, bit for bit and in the same order in memory."""
    import numpy as np

    kind = np.result_type(*(_DTYPES[column.type] for column in columns))
    return np.array([[row.get(c.name) for row in rows] for c in columns], dtype=kind).T


def handed(columns: Sequence[Column], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as the model gets them: typed, and back in words that JSON has."""
    told: dict[int, dict[str, Any]] = {}
    for places in by_gaps(columns, rows):
        records = frame(columns, [rows[at] for at in places]).to_dict("records")
        for at, record in zip(places, records, strict=True):
            seen = {str(name): plain(value) for name, value in record.items()}
            told[at] = {
                c.name: seen.get(c.name) for c in columns if c.required or c.name in rows[at]
            }
    return [told[at] for at in range(len(rows))]


def plain(value: Any) -> Any:
    """As JSON has it; a gap is null, whatever the table calls it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    value = value.item() if hasattr(value, "item") else value
    if value != value or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _times(values: Sequence[str | None]) -> pd.Series[pd.Timestamp]:
    """Read as the signature's check has read them: pandas takes one form a column.

    In nanoseconds, as MLflow has them; a year before 1678 or after 2261 raises.
    """
    import pandas as pd

    read = [None if value is None else datetime.fromisoformat(value) for value in values]
    return pd.to_datetime(pd.Series(read), utc=True).dt.tz_localize(None).dt.as_unit("ns")


def _typed(told: Mapping[str, Any] | None, value: Any) -> Any:
    """Numbers within lists and objects in the signature's type: JSON writes 2.0 as 2."""
    import numpy as np

    if told is None or value is None:
        return value
    if told["type"] == "array" and isinstance(value, list):
        return [_typed(told["items"], item) for item in value]
    if told["type"] == "map" and isinstance(value, dict):
        return {name: _typed(told["values"], item) for name, item in value.items()}
    if told["type"] == "object" and isinstance(value, dict):
        known = told["properties"]
        return {name: _typed(known.get(name), item) for name, item in value.items()}
    if type(value) not in (int, float) or told["type"] not in _NUMBERS:
        return value
    if told["type"] in _NO_NULL and value != int(value):
        return value  # MLflow says what is wrong with it
    return np.dtype(_DTYPES[told["type"]]).type(value)
