"""Sums by local day, step and segment, worked out where the rows lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from policies.vocabulary import Counts, Moments, WindowPair
from tasks.telemetry.adapters.ibis_rows import answer, by_day, is_answer, is_slow, moment, utc
from tasks.telemetry.days import Day
from tasks.telemetry.metrics import ARMS, LEAST_PROBABILITY, UNMIRRORED
from tasks.telemetry.ports import Coverage, Variety


def coverage_of(rows: Any, pairs: Any, now: datetime, horizon: timedelta) -> Coverage:
    served = rows.filter(rows.served & rows.step.notin(UNMIRRORED))
    mature = pairs.at <= moment(now) - horizon
    counts = answer(
        pairs.aggregate(
            both=pairs.count(),
            mature=mature.sum().fill_null(0),
            labelled=(mature & pairs.label.notnull()).sum().fill_null(0),
        )
    )[0]
    return Coverage(served=answer(served.aggregate(n=served.id.nunique()))[0]["n"], **counts)


def row_loss(score: Any, label: Any, metric: str) -> Any:
    if metric == "brier":
        return (score - label) * (score - label)
    sure = score.clip(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return -(label * sure.ln() + (1.0 - label) * (1.0 - sure).ln())


def paired_sums(pairs: Any, metric: str, days: Sequence[Day]) -> Sequence[WindowPair]:
    return tuple(_paired_window(row) for row in answer(_sums(pairs, metric, days)))


def _sums(pairs: Any, metric: str, days: Sequence[Day], *by: str) -> Any:
    rows = by_day(pairs, days)
    worse = row_loss(rows.candidate, rows.label, metric) - row_loss(
        rows.champion, rows.label, metric
    )
    rows = rows.mutate(worse=worse)
    keys = [*by, "start", "step"]
    sums = rows.group_by(keys).aggregate(
        n=rows.count(), mean=rows.worse.mean(), variance=rows.worse.var(how="pop")
    )
    return sums.order_by(keys)


def _paired_window(row: dict[str, Any]) -> WindowPair:
    moments = Moments(n=row["n"], mean=row["mean"], m2=row["variance"] * row["n"])
    return WindowPair(start=utc(row["start"]), step=row["step"], paired=moments)


def segment_sums(
    pairs: Any, metric: str, days: Sequence[Day]
) -> Mapping[str, Sequence[WindowPair]]:
    found: dict[str, list[WindowPair]] = {}
    for row in answer(_sums(pairs, metric, days, "segment")):
        found.setdefault(row["segment"], []).append(_paired_window(row))
    return found


def variety(rows: Any, days: Sequence[Day]) -> Sequence[Variety]:
    rows = by_day(rows, days)
    counts = rows.group_by(["column", "start"])
    found = counts.aggregate(
        n=rows.count(),
        distinct=(rows.group + "\n" + rows.value).nunique(),
        groups=rows.group.nunique(),
    )
    return tuple(
        Variety(
            column=r["column"],
            start=utc(r["start"]),
            n=r["n"],
            distinct=r["distinct"],
            groups=r["groups"],
        )
        for r in answer(found.order_by(["column", "start"]))
    )


def live_sums(rows: Any, slow_ms: float | None, days: Sequence[Day]) -> Sequence[WindowPair]:
    rows = by_day(rows, days)
    fault = ~is_answer(rows) if slow_ms is None else is_slow(rows, slow_ms)
    sums = rows.mutate(fault=fault).group_by(["start", "step"])
    counts = {}
    for arm in ARMS:
        counts[f"{arm}_n"] = (rows.arm == arm).sum()
        counts[f"{arm}_events"] = ((rows.arm == arm) & fault).sum()
    found = answer(sums.aggregate(**counts).order_by(["start", "step"]))
    return tuple(
        WindowPair(
            start=utc(row["start"]),
            step=row["step"],
            champion=Counts(n=row["champion_n"], events=row["champion_events"]),
            candidate=Counts(n=row["candidate_n"], events=row["candidate_events"]),
        )
        for row in found
    )


def mirrored_sums(rows: Any, days: Sequence[Day], *, alone: bool) -> Sequence[WindowPair]:
    rows = by_day(rows, days)
    champion, candidate = rows.champion_failed, rows.candidate_failed
    if alone:
        champion, candidate = champion & ~candidate, candidate & ~champion
    sums = rows.group_by(["start", "step"]).aggregate(
        n=rows.count(),
        champion=champion.sum(),
        candidate=candidate.sum(),
    )
    return tuple(
        WindowPair(
            start=utc(row["start"]),
            step=row["step"],
            champion=Counts(n=row["n"], events=row["champion"]),
            candidate=Counts(n=row["n"], events=row["candidate"]),
        )
        for row in answer(sums.order_by(["start", "step"]))
    )
