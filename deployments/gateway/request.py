"""Reading requests: everything wrong with one is told at once, and what to do about it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import orjson

from deployments.gateway.answering import Asked
from deployments.gateway.recent import Posted
from deployments.gateway.signature import Column, faults, unknown

_SHOWN = 10  # faults told in one answer
NAME_LETTERS = 256  # of ids and units: they are remembered, and written in every line
_ROW, _ABOUT = {"id", "unit", "inputs"}, {"segment", "region"}
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OBJECT = "Send a JSON object. It knows no NaN and no Infinity: null stands for a gap."
_OUTCOME = (
    'An outcome is {"id": text, "label": 0 or 1} or {"id": text, "metric": name, "value": number}. '
    "Nothing was recorded."
)


class Refusal(Exception):
    """An answer that is an error: HTTP status, what is wrong and what to do."""

    def __init__(self, status: int, error: str, advice: str) -> None:
        super().__init__(error)
        self.status, self.error, self.advice = status, error, advice


def read_body(body: bytes) -> dict[str, Any]:
    """Strict: no NaN, no number beyond all floats, no half letters, no endless depth."""
    try:
        read = orjson.loads(body)
    except ValueError as error:
        raise Refusal(400, f"The body is no JSON: {error}.", _OBJECT) from error
    if not isinstance(read, dict):
        raise Refusal(400, "The body is no JSON object.", _OBJECT)
    return read


def read_rows(body: Mapping[str, Any], limit: int) -> list[Asked]:
    """Rows with a unit each: without one there is no sticky split, so it is not guessed.

    An id names one prediction for good: outcomes are joined to it.
    """
    rows = read_list(body, "rows", limit)
    wrong = [f"row {at}: {fault}" for at, row in enumerate(rows) if (fault := _shape(row))]
    if not wrong and len({row["id"] for row in rows}) < len(rows):
        wrong = _repeated(rows)
    if more := body.keys() - {"rows"}:
        wrong.append(f"beside the rows {_listed(more)} is unknown")
    if wrong:
        _refuse(
            wrong,
            'A row is {"id": text, "unit": text, "inputs": {column: value}}; "segment" and '
            '"region" are texts that may be left out.',
        )
    return [
        Asked(row["id"], row["unit"], row["inputs"], row.get("segment"), row.get("region"))
        for row in rows
    ]


def _repeated(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    first: dict[str, int] = {}
    places = ((at, first.setdefault(row["id"], at), row["id"]) for at, row in enumerate(rows))
    return [f"row {at} has the id of row {had}: {id_}" for at, had, id_ in places if at != had]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name[:NAME_LETTERS] for name in sorted(names)[:_SHOWN])


def read_list(body: Mapping[str, Any], name: str, limit: int) -> list[Any]:
    rows = body.get(name)
    if not isinstance(rows, list) or not rows:
        raise Refusal(400, f"There are no {name}.", f'Send {{"{name}": [...]}} with at least one.')
    if len(rows) > limit:
        raise Refusal(400, f"{len(rows)} {name} are too many.", f"Send at most {limit} at a time.")
    return rows


def read_outcomes(body: Mapping[str, Any], limit: int) -> list[Posted]:
    """Labels and business metrics, in one request; one fault refuses the request whole."""
    outcomes = read_list(body, "outcomes", limit)
    wrong = [f"outcome {at}: {fault}" for at, x in enumerate(outcomes) if (fault := _outcome(x))]
    if wrong:
        _refuse(wrong, _OUTCOME)
    return [
        Posted(
            item["id"], item.get("metric"), float(item["value" if "metric" in item else "label"])
        )
        for item in outcomes
    ]


def _posted(item: Mapping[str, Any]) -> Posted:
    number = item["value"] if "metric" in item else item["label"]
    return Posted(item["id"], item.get("metric"), float(number))


def check_rows(
    rows: Sequence[Asked], asked: Sequence[Column] | None, known: Sequence[Column]
) -> None:
    """Every row must fit the champion's signature; columns that nobody asks for are refused.

    ``asked`` is ``None`` when no version is loaded whose signature could be checked.
    """
    if asked is None:
        return
    names = {column.name for column in known}
    wrong: list[str] = []
    for at, row in enumerate(rows):
        if found := faults(asked, row.inputs) + unknown(names, row.inputs):
            wrong += (f"row {at} ({row.id}): {fault}" for fault in found)
    if wrong:
        columns = ", ".join(f"{column.name} ({column.type})" for column in asked)
        _refuse(wrong, f"Send these columns: {columns}.")


def _refuse(wrong: Sequence[str], advice: str) -> NoReturn:
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise Refusal(400, "; ".join(wrong[:_SHOWN]) + more, advice)


def _shape(row: Any) -> str | None:
    if not isinstance(row, dict):
        return "is no object"
    for name in ("id", "unit"):
        if not isinstance(row.get(name), str) or not row[name]:
            return f"{name} is missing or no text"
        if len(row[name]) > NAME_LETTERS:
            return f"{name} has more than {NAME_LETTERS} letters"
    if not isinstance(row.get("inputs"), dict):
        return "inputs is missing or no object"
    return _about(row) if len(row) > len(_ROW) else None


def _about(row: Mapping[str, Any]) -> str | None:
    """What a row may tell beside what it must."""
    if more := row.keys() - _ROW - _ABOUT:
        return f"{_listed(more)} is unknown"
    for name in _ABOUT & row.keys():
        if not isinstance(row[name], str) or len(row[name]) > NAME_LETTERS:
            return f"{name} is no text of at most {NAME_LETTERS} letters"
    return None


def _outcome(item: Any) -> str | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        return "id is missing or no text"
    if len(item["id"]) > NAME_LETTERS:
        return f"id has more than {NAME_LETTERS} letters"
    if "metric" in item:
        return _metric(item)
    if "value" in item:
        return f"value of {item['id']} has no metric that it is of"
    return _label(item)


def _metric(item: Mapping[str, Any]) -> str | None:
    if "label" in item:
        return f"{item['id']} has a label and a metric: send them as two outcomes"
    if not isinstance(item["metric"], str) or not _METRIC.fullmatch(item["metric"]):
        return f"metric of {item['id']} is no name like revenue or items_sold"
    if "value" not in item or not _is_finite(item["value"]):
        return f"value of {item['id']} is no number"
    return None


def _label(item: Mapping[str, Any]) -> str | None:
    label = item.get("label")
    if isinstance(label, bool) or not isinstance(label, int | float):
        return "label is no number"
    if isinstance(label, float) and not math.isfinite(label):
        return "label is no number"
    # What happened is yes or no: another number would count as a loss nobody can interpret.
    if label not in (0, 1):
        return f"label of {item['id']} is {str(label)[:20]}, neither 0 nor 1"
    return None


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False
