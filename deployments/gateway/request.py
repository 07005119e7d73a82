"""Reading requests: everything wrong with one is told at once, and what to do about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from deployments.gateway.answering import Asked
from deployments.gateway.signature import Column, faults, unknown

_SHOWN = 10  # faults told in one answer


class Refusal(Exception):
    """An answer that is an error: HTTP status, what is wrong and what to do."""

    def __init__(self, status: int, error: str, advice: str) -> None:
        super().__init__(error)
        self.status, self.error, self.advice = status, error, advice


def read_body(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body, parse_constant=_no_constant)
    except ValueError as error:
        raise Refusal(400, f"The body is no JSON: {error}.", "Send a JSON object.") from error
    if not isinstance(read, dict):
        raise Refusal(400, "The body is no JSON object.", "Send a JSON object.")
    return read


def read_rows(body: Mapping[str, Any], limit: int) -> list[Asked]:
    """Rows with a unit each: without one there is no sticky split, so it is not guessed."""
    rows = read_list(body, "rows", limit)
    wrong = [f"row {at}: {fault}" for at, row in enumerate(rows) if (fault := _shape(row))]
    if wrong:
        _refuse(wrong, 'A row is {"id": text, "unit": text, "inputs": {column: value}}.')
    return [Asked(row["id"], row["unit"], row["inputs"]) for row in rows]


def read_list(body: Mapping[str, Any], name: str, limit: int) -> list[Any]:
    rows = body.get(name)
    if not isinstance(rows, list) or not rows:
        raise Refusal(400, f"There are no {name}.", f'Send {{"{name}": [...]}} with at least one.')
    if len(rows) > limit:
        raise Refusal(400, f"{len(rows)} {name} are too many.", f"Send at most {limit} at a time.")
    return rows


def read_outcomes(body: Mapping[str, Any], limit: int) -> list[tuple[str, float]]:
    outcomes = read_list(body, "outcomes", limit)
    wrong = [
        f"outcome {at}: {fault}" for at, item in enumerate(outcomes) if (fault := _label(item))
    ]
    if wrong:
        _refuse(wrong, 'An outcome is {"id": text, "label": 0 or 1}. Nothing was recorded.')
    return [(item["id"], float(item["label"])) for item in outcomes]


def check_rows(
    rows: Sequence[Asked], asked: Sequence[Column] | None, known: Sequence[Column]
) -> None:
    """Every row must fit the champion's signature; columns that nobody asks for are refused.

    ``asked`` is ``None`` when no version is loaded whose signature could be checked.
    """
    if asked is None:
        return
    names = {column.name for column in known}
    wrong = [
        f"row {at} ({row.id}): {fault}"
        for at, row in enumerate(rows)
        for fault in (*faults(asked, row.inputs), *unknown(names, row.inputs))
    ]
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
    return None if isinstance(row.get("inputs"), dict) else "inputs is missing or no object"


def _label(item: Any) -> str | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        return "id is missing or no text"
    label = item.get("label")
    if isinstance(label, bool) or not isinstance(label, int | float):
        return "label is no number"
    if isinstance(label, float) and not math.isfinite(label):
        return "label is no number"
    # What happened is yes or no: another number would count as a loss nobody can interpret.
    if label not in (0, 1):
        return f"label of {item['id']} is {str(label)[:20]}, neither 0 nor 1"
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
