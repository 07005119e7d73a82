"""What was posted of a row: the first value, and whether it came in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tasks.telemetry.adapters.ibis_rows import first_of, moment, span


def values_of(posted: Any, name: str, now: datetime) -> Any:
    """The first value of each row; later ones never replace it."""
    known = (posted.metric == name) & posted.value.notnull() & (posted.at <= moment(now))
    first = first_of(posted.filter(known), "model", "id")
    return first.select("model", "id", "value", valued_at="at")


def in_time(rows: Any, values: Any, horizon: timedelta, name: str) -> Any:
    """Each row with its value as a column; null: none was posted from the row to the horizon."""
    import ibis

    joined = rows.left_join(values, ["model", "id"])
    counts = joined.valued_at.between(joined.at, joined.at + span(horizon))
    return joined.select(*rows.columns, **{name: ibis.ifelse(counts, joined.value, ibis.null())})
