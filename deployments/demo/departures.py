"""The flights as the replay sends them: plain values, hour by hour."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from deployments.demo.flights import rows_of

if TYPE_CHECKING:
    import pandas as pd

HOUR = timedelta(hours=1)
CHUNK = 24 * HOUR  # turned into plain values at once: table by table is quick, row by row is not


class Departure(NamedTuple):
    scheduled: datetime
    row: dict[str, Any]  # id, unit and inputs, as the gateway takes them
    known_at: datetime | None  # when the outcome is known; never, for a flight that never arrived
    label: float


def share_of(flights: pd.DataFrame, share: float) -> pd.DataFrame:
    """A share of the flights, chosen by their ids: the same ones in every run."""
    if share >= 1.0:
        return flights
    kept = [zlib.crc32(row_id.encode()) < share * 2**32 for row_id in flights["id"]]
    return flights[kept]


def by_hour(
    flights: pd.DataFrame, first: datetime, end: datetime
) -> Iterator[tuple[datetime, list[Departure]]]:
    """Every full hour in UTC, busy or not: days of 23 and 25 local hours need no care."""
    start = first
    while start < end:
        stop = min(start + CHUNK, end)
        found = departures(flights, start, stop)
        hours = {hour: list(group) for hour, group in groupby(found, key=_hour)}
        while start < stop:
            yield start, hours.get(start, [])
            start += HOUR


def departures(flights: pd.DataFrame, first: datetime, end: datetime) -> list[Departure]:
    """Flights scheduled from ``first`` until before ``end``; ``flights`` is in that order."""
    scheduled = flights["scheduled"]
    part = flights.iloc[scheduled.searchsorted(first) : scheduled.searchsorted(end)]
    rows = zip(part["id"].tolist(), part["unit"].tolist(), rows_of(part), strict=True)
    known = part["label_known_at"]
    return [
        Departure(
            scheduled=moment.to_pydatetime(),
            row={"id": row_id, "unit": unit, "inputs": inputs},
            known_at=known_at.to_pydatetime() if is_known else None,
            label=label,
        )
        for (row_id, unit, inputs), moment, known_at, is_known, label in zip(
            rows,
            part["scheduled"].tolist(),
            known.tolist(),
            (known.notna() & part["label"].notna()).tolist(),
            part["label"].tolist(),
            strict=True,
        )
    ]


def _hour(departure: Departure) -> datetime:
    return departure.scheduled.replace(minute=0, second=0, microsecond=0)
