"""Parts that every sum over rows is made of: first events, answers, local days, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.telemetry.days import Day, Each, spans


def first_of(rows: Any, *keys: str) -> Any:
    """The earliest event for each key: repeated lines are one event."""
    import ibis

    order = [rows.at, *([rows.step] if "step" in rows.columns else [])]
    number = ibis.row_number().over(group_by=[rows[key] for key in keys], order_by=order)
    numbered = rows.mutate(number=number)
    return numbered.filter(numbered.number == 0).drop("number")


def is_answer(rows: Any) -> Any:
    """An answer is a probability; anything else was none (NaN is above every number here)."""
    return (rows.error.isnull() & rows.score.notnull() & rows.score.between(0.0, 1.0)).fill_null(
        False
    )


def is_slow(rows: Any, slow_ms: float) -> Any:
    return rows.latency_ms.isnull() | (rows.latency_ms > slow_ms)


def days_of(rows: Any, time_zone: str, each: Each = "day") -> Sequence[Day]:
    edges = answer(rows.aggregate(first=rows.at.min(), last=rows.at.max()))[0]
    if edges["first"] is None:
        return ()
    return spans(utc(edges["first"]), utc(edges["last"]), time_zone, each)


def by_day(rows: Any, days: Sequence[Day]) -> Any:
    import ibis

    spans = ibis.memtable(
        [{"start": moment(start), "end": moment(end)} for start, end in days],
        schema={"start": "timestamp", "end": "timestamp"},
    )
    return rows.join(spans, [rows.at >= spans.start, rows.at < spans.end])


def answer(expression: Any) -> list[dict[str, Any]]:
    return list(expression.to_pyarrow().to_pylist())


def span(length: timedelta) -> Any:
    import ibis

    return ibis.interval(microseconds=length // timedelta(microseconds=1))


def moment(at: datetime) -> datetime:
    """Engines keep UTC without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


def utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
