"""What was posted of a row: the first value, and whether it came in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tasks.telemetry.adapters.ibis_rows import answer, first_of, moment, span
from tasks.telemetry.metrics import refuse_endless


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


def finite(rows: Any, metric: str, name: str) -> Any:
    """The same rows, if every value is a number: engines sort NaN above all, and a cap hides it."""
    wrong = rows[name].isnan() | rows[name].isinf()
    count = answer(rows.aggregate(n=wrong.sum()))[0]["n"] or 0
    refuse_endless(metric, count)
    return rows
