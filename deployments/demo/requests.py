"""Who asks, as the replay sends them: plain values, hour by hour."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

HOUR = timedelta(hours=1)
CHUNK = 24 * HOUR  # turned into plain values at once: table by table is quick, row by row is not


class Request(NamedTuple):
    asked_at: datetime
    row: dict[str, Any]  # id, unit and inputs, as the gateway takes them
    known_at: datetime | None  # when the outcome is known; never, for a flight that never arrived
    label: float


def share_of(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """A share of those who ask, chosen by their ids: the same ones in every run."""
    if share >= 1.0:
        return frame
    kept = [zlib.crc32(row_id.encode()) < share * 2**32 for row_id in frame["id"]]
    return frame[kept]


def inputs_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The requests' inputs as plain values, ready for JSON."""
    records = frame[list(columns)].to_dict("records")
    return [{str(k): v for k, v in row.items()} for row in records]


def by_hour(
    frame: pd.DataFrame, columns: Sequence[str], first: datetime, end: datetime
) -> Iterator[tuple[datetime, list[Request]]]:
    """Every full hour in UTC, busy or not: days of 23 and 25 local hours need no care."""
    start = first
    while start < end:
        stop = min(start + CHUNK, end)
        found = requests(frame, columns, start, stop)
        hours = {hour: list(group) for hour, group in groupby(found, key=_hour)}
        while start < stop:
            yield start, hours.get(start, [])
            start += HOUR


def requests(
    frame: pd.DataFrame, columns: Sequence[str], first: datetime, end: datetime
) -> list[Request]:
    """Asked from ``first`` until before ``end``; ``frame`` is in that order."""
    asked = frame["asked_at"]
    part = frame.iloc[asked.searchsorted(first) : asked.searchsorted(end)]
    inputs = inputs_of(part, columns)
    known = part["label_known_at"]
    return [
        Request(
            asked_at=moment.to_pydatetime(),
            row={"id": row_id, "unit": unit, "inputs": given},
            known_at=known_at.to_pydatetime() if is_known else None,
            label=label,
        )
        for row_id, unit, given, moment, known_at, is_known, label in zip(
            part["id"].tolist(),
            part["unit"].tolist(),
            inputs,
            part["asked_at"].tolist(),
            known.tolist(),
            (known.notna() & part["label"].notna()).tolist(),
            part["label"].tolist(),
            strict=True,
        )
    ]


def _hour(request: Request) -> datetime:
    return request.asked_at.replace(minute=0, second=0, microsecond=0)
