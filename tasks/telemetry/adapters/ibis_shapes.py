"""How values are distributed, counted where the rows lie: quantiles and sums by bin leave."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from policies.vocabulary import Bins, Histogram
from tasks.telemetry.adapters.ibis_rows import answer, first_of, is_answer, moment
from tasks.telemetry.adapters.ibis_source import Source
from tasks.telemetry.bins import MOST_CATEGORIES, QUANTILES, edges_of
from tasks.telemetry.log_buckets import LEAST_MS, LOG_WIDTH
from tasks.telemetry.ports import LogCounts


def kind_of(column: str | None) -> str:
    return "predictions" if column is None else "inputs"


def bins_of(
    source: Source, model: str, column: str | None, since: datetime, until: datetime
) -> Bins:
    rows = _values(source, model, column, since, until)
    told = answer(rows.aggregate(carried=rows.text.count(), numbers=rows.value.count()))[0]
    if not told["carried"]:
        return Bins(column=column)
    if told["numbers"] == told["carried"]:
        parts = {f"q{n}": rows.value.quantile(share) for n, share in enumerate(QUANTILES)}
        found = answer(rows.aggregate(**parts))[0]
        return Bins(column=column, edges=edges_of([found[name] for name in parts]))
    often = _by_text(rows).order_by([_descending("n"), "text"]).limit(MOST_CATEGORIES)
    return Bins(column=column, categories=tuple(row["text"] for row in answer(often)))


def histogram_of(
    source: Source, model: str, bins: Bins, since: datetime, until: datetime
) -> Histogram:
    rows = _values(source, model, bins.column, since, until)
    return _of_numbers(bins, rows) if bins.edges else _of_texts(bins, rows)


def _of_numbers(bins: Bins, rows: Any) -> Histogram:
    import ibis

    ends = [-math.inf, *bins.edges, math.inf]
    spans = ibis.memtable(
        [{"bin": n, "low": ends[n], "high": ends[n + 1]} for n in range(len(ends) - 1)],
        schema={"bin": "int64", "low": "float64", "high": "float64"},
    )
    placed = rows.join(spans, [rows.value > spans.low, rows.value <= spans.high])
    sums = placed.group_by("bin").aggregate(n=placed.count(), total=placed.value.sum())
    found = {row["bin"]: row for row in answer(sums)}
    counts = tuple(found[n]["n"] if n in found else 0 for n in range(len(ends) - 1))
    totals = tuple(found[n]["total"] if n in found else 0.0 for n in range(len(ends) - 1))
    return Histogram(
        bins=bins, counts=counts, sums=totals, missing=_count(rows.count(), rows) - sum(counts)
    )


def _of_texts(bins: Bins, rows: Any) -> Histogram:
    known = rows.filter(rows.text.isin(bins.categories)) if bins.categories else None
    found = {r["text"]: r["n"] for r in answer(_by_text(known))} if known is not None else {}
    counts = [found.get(text, 0) for text in bins.categories]
    carried = _count(rows.text.count(), rows)
    missing = _count(rows.count(), rows) - carried
    return Histogram(bins=bins, counts=(*counts, carried - sum(counts)), missing=missing)


def latency_counts(source: Source, model: str, since: datetime, until: datetime) -> LogCounts:
    import ibis

    rows = source.predictions
    inside = (rows.model == model) & (rows.at >= moment(since)) & (rows.at < moment(until))
    rows = rows.filter(inside & rows.served & (rows.arm != "candidate"))
    rows = first_of(rows.filter(is_answer(rows)), "id")
    waited = rows.latency_ms.clip(lower=LEAST_MS)
    known = rows.latency_ms.notnull() & ~rows.latency_ms.isnan() & ~rows.latency_ms.isinf()
    place = (waited.ln() / LOG_WIDTH).floor().cast("int64")
    placed = rows.mutate(place=ibis.ifelse(known, place, ibis.null("int64")))
    sums = placed.group_by("place").aggregate(n=placed.count())
    found = {row["place"]: row["n"] for row in answer(sums)}
    unknown = found.pop(None, 0)
    return LogCounts(counts=dict(sorted(found.items())), unknown=unknown)


def _values(
    source: Source, model: str, column: str | None, since: datetime, until: datetime
) -> Any:
    """One row for each request of the period: what it carried as text, and as a finite number."""
    import ibis

    rows = source.predictions if column is None else source.inputs
    rows = rows.filter((rows.model == model) & (rows.at >= moment(since)))
    rows = rows.filter(rows.at < moment(until))
    if column is None:
        rows = rows.filter((rows.arm == "champion") & is_answer(rows))
        text = rows.score.cast("string")
        number = rows.score
    else:
        told = rows.inputs.cast("json")[column]
        text = ibis.coalesce(told.str, told.cast("string")).nullif("null")
        number = text.try_cast("float64")
    finite = ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)
    once = first_of(rows.mutate(text=text, value=finite), "id")
    return source.keep("values", once.select("text", "value"))


def _by_text(rows: Any) -> Any:
    carried = rows.filter(rows.text.notnull())
    return carried.group_by("text").aggregate(n=carried.count())


def _descending(name: str) -> Any:
    import ibis

    return ibis.desc(name)


def _count(expression: Any, rows: Any) -> int:
    return int(answer(rows.aggregate(n=expression))[0]["n"])
