"""Labelled rows from a file, as requests would carry them; everything wrong is told at once.

The file is read row by row and no further than the policy's sample, so its size does not matter.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deployments.gateway.signature import Column, faults, is_fit
from policies.errors import RefusedError
from tasks.telemetry.ports import SampleRow

Raw = Iterator[dict[str, Any]]
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_SHOWN = 12  # faults told of one file
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # rows of a file have none, and no check asks


@dataclass(frozen=True)
class Sample:
    rows: tuple[SampleRow, ...]
    has_more: bool  # the file goes on after the rows that were taken
    ignored: tuple[str, ...]  # columns no model asks for

    @property
    def labelled(self) -> int:
        return sum(row.label is not None for row in self.rows)


def read_sample(
    path: Path,
    label: str,
    limit: int,
    needed: Sequence[Column],
    known: Sequence[Column],
    time: str | None = None,
) -> Sample:
    """The first ``limit`` rows. ``needed`` must be there and fit, ``known`` may be there.

    ``time``: the column that says when a row was asked; without it all are of one day.
    """
    types = {column.name: column.type for column in (*known, *needed)}
    raw = list(islice(_rows(path, types), limit + 1))
    if not raw:
        raise RefusedError(
            f"{path} holds no rows.",
            advice="Write one row a line: the columns a request carries, and a label of 0 or 1.",
        )
    taken = raw[:limit]
    _refuse_faults(path, taken, label, needed, time)
    names = dict.fromkeys(name for row in taken for name in row)
    return Sample(
        rows=tuple(_sample_row(row, label, types, time) for row in taken),
        has_more=len(raw) > limit,
        ignored=tuple(name for name in names if name not in (*types, label, time)),
    )


def _sample_row(
    row: Mapping[str, Any], label: str, types: Mapping[str, str], time: str | None
) -> SampleRow:
    inputs = {name: value for name, value in row.items() if name in types}
    known = row.get(label)
    at = _NO_TIME if time is None else _moment(row[time])
    return SampleRow(inputs=inputs, label=None if known is None else float(known), at=at)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refuse_faults(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    label: str,
    needed: Sequence[Column],
    time: str | None,
) -> None:
    found: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        own = (*_label_faults(row, label), *_time_faults(row, time))
        for fault in (*faults(needed, row), *own):
            told = fault.split(": ", 1)[0]  # counted without the value: there is one in each row
            found[told] += 1
            first.setdefault(told, number)
    if not found:
        return
    lines = [
        f"{told} in {count} of {len(rows)} rows, first in row {first[told]}"
        for told, count in found.most_common(_SHOWN)
    ]
    more = [f"and {len(found) - _SHOWN} more faults"] if len(found) > _SHOWN else []
    columns = ", ".join(dict.fromkeys(name for row in rows for name in row))
    raise RefusedError(
        "\n  ".join([f"{path} cannot be used as a sample:", *lines, *more]),
        advice=f"The file has the columns {columns}. Mend them, or name the label with --label; "
        "it is 1 where the predicted thing happened, 0 where not, empty where nobody knows yet.",
    )


def _label_faults(row: Mapping[str, Any], label: str) -> list[str]:
    if label not in row:
        return [f"the label {label} is missing"]
    value = row[label]
    is_outcome = value is None or (isinstance(value, int | float) and value in (0, 1))
    return [] if is_outcome else [f"the label {label} is neither 0 nor 1: {value!r}"]


def _time_faults(row: Mapping[str, Any], time: str | None) -> list[str]:
    if time is None or (isinstance(row.get(time), str) and is_fit("datetime", row[time])):
        return []
    return [f"the time {time} is no ISO 8601 time"]


def _rows(path: Path, types: Mapping[str, str]) -> Raw:
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise RefusedError(
            f"{path} is no sample: its name ends in {path.suffix or 'nothing'}.",
            advice=f"Name a file that ends in {', '.join(READERS)}.",
        )
    try:
        yield from read(path, types)
    except OSError as error:
        raise RefusedError(
            f"The sample {path} cannot be read: {error.strerror or error}.",
            advice="Check the path given with --sample.",
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(
            f"The sample {path} is no text that can be read: {error}.",
            advice="Save it as UTF-8.",
        ) from error


def _csv(path: Path, types: Mapping[str, str]) -> Raw:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            yield {
                name: as_type(text, types.get(name, "label"))
                for name, text in row.items()
                if isinstance(name, str) and (text is None or isinstance(text, str))
            }


def _jsonl(path: Path, _: Mapping[str, str]) -> Raw:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                row = error
            if not isinstance(row, dict):
                raise RefusedError(
                    f"Line {number} of {path} is no JSON object.",
                    advice="Write one object a line: its columns and the label.",
                )
            yield {name: _plain(value) for name, value in row.items()}


def _parquet(path: Path, _: Mapping[str, str]) -> Raw:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    yield {name: _plain(value) for name, value in row.items()}
    except pyarrow.ArrowException as error:
        raise RefusedError(
            f"{path} is no Parquet file: {str(error).splitlines()[0]}", advice="Write it again."
        ) from error


READERS: Mapping[str, Callable[[Path, Mapping[str, str]], Raw]] = MappingProxyType(
    {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
)


def as_type(text: str | None, kind: str) -> Any:
    """A cell of a CSV file in the type that its column asks for; as it is where it does not fit.

    ``label``: a number where it is one.
    """
    if text is None or text == "":
        return None
    if kind in ("string", "datetime"):
        return text
    if kind == "boolean":
        return _TRUTH.get(text.strip().lower(), text)
    if kind in ("array", "object", "map", "any"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return _number(text, whole=kind in ("integer", "long"))


def _number(text: str, *, whole: bool) -> Any:
    try:
        number = float(text)
        if whole and number.is_integer():
            return int(text) if text.strip().lstrip("+-").isdigit() else int(number)
    except (ValueError, OverflowError):
        return text
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else text


def _plain(value: Any) -> Any:
    """What JSON would carry: no NaN, times as text."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
