"""A data contract in plain Python: the expectation types that need no dataframe.

It agrees with the Great Expectations adapter on these types (one contract suite runs on
both). Missing means absent, ``None`` or NaN. A column without a single value holds no promise
about its values, so such a line fails instead of passing on nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from policies.schema import Expectation
from tasks.evaluation.contract import line, malformed, refuse_nothing, unknown
from tasks.evaluation.ports import ContractLine

Rows = Sequence[Mapping[str, Any]]
Answer = tuple[bool, str]


class MemoryContract:
    """The ``DataContract`` port without a vendor."""

    def validate(self, rows: Rows, expectations: Sequence[Expectation]) -> Sequence[ContractLine]:
        refuse_nothing(rows, expectations)
        for expectation in expectations:
            _check_spelling(expectation)
        return tuple(_line(rows, expectation) for expectation in expectations)


def _line(rows: Rows, expectation: Expectation) -> ContractLine:
    answer, _, __ = EXPECTATIONS[expectation.type]
    kwargs = expectation.kwargs
    column = kwargs.get("column")
    if column is not None and not any(column in row for row in rows):
        return line(expectation, False, f"there is no column {column}")
    try:
        success, observed = answer(rows, kwargs)
    except (TypeError, re.error) as error:  # no order between bound and value, no pattern
        return line(expectation, False, f"could not be evaluated: {error}")
    return line(expectation, success, observed)


def _check_spelling(expectation: Expectation) -> None:
    if expectation.type not in EXPECTATIONS:
        raise unknown(expectation)
    _, needed, allowed = EXPECTATIONS[expectation.type]
    given = set(expectation.kwargs)
    if missing := sorted(needed - given):
        raise malformed(expectation, f"{', '.join(missing)} missing")
    if extra := sorted(given - needed - allowed):
        raise malformed(expectation, f"{', '.join(extra)} not known")
    bounds = {"min_value", "max_value"}
    if bounds <= allowed and not any(expectation.kwargs.get(name) is not None for name in bounds):
        raise malformed(expectation, "min_value or max_value is needed")
    mostly = expectation.kwargs.get("mostly", 1.0)
    if not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        raise malformed(expectation, "mostly lies above 0 and up to 1")


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _values(rows: Rows, column: str) -> list[Any]:
    return [value for row in rows if not _is_missing(value := row.get(column))]


def _share(good: int, total: int, kwargs: Mapping[str, Any]) -> Answer:
    if total == 0:
        return False, "no values to look at"
    return good / total >= kwargs.get("mostly", 1.0), f"{total - good} of {total} values break it"


def _exists(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    return True, f"the column {kwargs['column']} is there"


def _not_null(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    return _share(len(_values(rows, kwargs["column"])), len(rows), kwargs)


def _inside(value: Any, kwargs: Mapping[str, Any]) -> bool:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and (value < low or (kwargs.get("strict_min") and value == low)):
        return False
    return not (high is not None and (value > high or (kwargs.get("strict_max") and value == high)))


def _between(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    values = _values(rows, kwargs["column"])
    return _share(sum(_inside(value, kwargs) for value in values), len(values), kwargs)


def _in_set(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    values, allowed = _values(rows, kwargs["column"]), kwargs["value_set"]
    return _share(sum(value in allowed for value in values), len(values), kwargs)


def _match_regex(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    """Anywhere in the value, as written: a pattern that must span it says so with ^ and $."""
    values, pattern = _values(rows, kwargs["column"]), re.compile(kwargs["regex"])
    return _share(sum(bool(pattern.search(str(v))) for v in values), len(values), kwargs)


def _unique(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    values = _values(rows, kwargs["column"])
    seen: dict[Any, int] = {}
    for value in values:
        seen[value] = seen.get(value, 0) + 1
    return _share(sum(count for count in seen.values() if count == 1), len(values), kwargs)


def _row_count(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    return _inside(len(rows), kwargs), f"observed {len(rows)}"


def _column_types(rows: Rows, column: str) -> list[set[str]]:
    """The type names each value answers to, by the rules of a dataframe column.

    Whole numbers beside a fraction or beside a missing value become floats there.
    """
    values = _values(rows, column)
    kinds = {type(value) for value in values}
    has_gap = len(values) < len(rows)
    if kinds and kinds <= {int, float} and (float in kinds or has_gap):
        return [{"float", "float64"}] * len(values)
    if len(kinds) == 1 and not (has_gap and bool in kinds):
        kind = kinds.pop().__name__
        return [{kind, _DATAFRAME_NAMES.get(kind, kind)}] * len(values)
    return [{type(value).__name__} for value in values]


_DATAFRAME_NAMES = {"int": "int64", "float": "float64"}


def _of_type(rows: Rows, kwargs: Mapping[str, Any]) -> Answer:
    wanted = set(kwargs.get("type_list") or [kwargs.get("type_")])
    found = _column_types(rows, kwargs["column"])
    return _share(sum(bool(names & wanted) for names in found), len(found), kwargs)


_MOSTLY = frozenset({"mostly"})
_BOUNDS = frozenset({"min_value", "max_value", "strict_min", "strict_max"})
_COLUMN = frozenset({"column"})
Shape = tuple[Callable[[Rows, Mapping[str, Any]], Answer], frozenset[str], frozenset[str]]
# type -> (the question, the kwargs it needs, the kwargs it may have)
EXPECTATIONS: Mapping[str, Shape] = MappingProxyType(
    {
        "expect_column_to_exist": (_exists, _COLUMN, frozenset()),
        "expect_column_values_to_not_be_null": (_not_null, _COLUMN, _MOSTLY),
        "expect_column_values_to_be_between": (_between, _COLUMN, _BOUNDS | _MOSTLY),
        "expect_column_values_to_be_in_set": (_in_set, _COLUMN | {"value_set"}, _MOSTLY),
        "expect_column_values_to_match_regex": (_match_regex, _COLUMN | {"regex"}, _MOSTLY),
        "expect_column_values_to_be_unique": (_unique, _COLUMN, _MOSTLY),
        "expect_column_values_to_be_of_type": (_of_type, _COLUMN | {"type_"}, _MOSTLY),
        "expect_column_values_to_be_in_type_list": (_of_type, _COLUMN | {"type_list"}, _MOSTLY),
        "expect_table_row_count_to_be_between": (_row_count, frozenset(), _BOUNDS),
    }
)
