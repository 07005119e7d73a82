"""A business metric by randomised unit, summed where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from policies.vocabulary import FULL_WEIGHT_BP, Counts, Moments, WindowPair
from tasks.telemetry.adapters.ibis_history import adjusted
from tasks.telemetry.adapters.ibis_rows import answer, by_day, days_of, first_of, utc
from tasks.telemetry.adapters.ibis_values import finite, in_time, values_of
from tasks.telemetry.days import closed_days
from tasks.telemetry.metrics import ARMS
from tasks.telemetry.ports import UnitMetric


def unit_windows(
    source: Any, release_id: str, metric: UnitMetric, now: datetime, time_zone: str
) -> Sequence[WindowPair]:
    units = _answered(source, release_id, metric, now, time_zone)
    return () if units is None else unit_sums(adjusted(source, units, metric, time_zone))


def missing_windows(
    source: Any, release_id: str, metric: UnitMetric, now: datetime, time_zone: str
) -> Sequence[WindowPair]:
    everybody = metric.model_copy(update={"without_value": "zero"})
    units = _answered(source, release_id, everybody, now, time_zone)
    if units is None:
        return ()
    sums = {"posted": units.posted.sum()}
    for arm, of_arm in (("champion", ~units.candidate), ("candidate", units.candidate)):
        sums |= {f"{arm}_n": of_arm.sum(), f"{arm}_events": (of_arm & (units.posted == 0)).sum()}
    found = units.group_by(["start", "step"]).aggregate(**sums).order_by(["start", "step"])
    return tuple(
        WindowPair(
            start=utc(row["start"]),
            step=row["step"],
            **{arm: Counts(n=row[f"{arm}_n"], events=row[f"{arm}_events"]) for arm in ARMS},
        )
        for row in answer(found)
        if row["posted"]
    )


def _answered(
    source: Any, release_id: str, metric: UnitMetric, now: datetime, time_zone: str
) -> Any:
    """One line a unit and step; ``None`` without a day to which nothing can be added."""
    horizon = timedelta(hours=metric.horizon_hours)
    rows = source.release(release_id, now)
    live = rows.served & rows.arm.isin(ARMS) & (rows.weight_bp > 0) & rows.unit.notnull()
    rows = first_of(rows.filter(live), "id")
    values = values_of(source.tables["metrics"], metric.name, now)
    rows = source.keep("answered", in_time(rows, values, horizon, "value"))
    rows = finite(rows, metric.name, "value")
    days = closed_days(days_of(rows, time_zone), horizon, now)
    return _units(by_day(rows, days), metric) if days else None


def assigned_windows(
    source: Any, release_id: str, now: datetime, time_zone: str
) -> Sequence[WindowPair]:
    import ibis

    rows = source.release(release_id, now)
    split = (rows.weight_bp > 0) & (rows.weight_bp < FULL_WEIGHT_BP)
    asked = rows.filter(rows.served & rows.arm.isin(ARMS) & rows.unit.notnull() & split)
    order = [asked.at, asked.arm]  # of two lines of one moment, the candidate's is the first
    number = ibis.row_number().over(group_by=[asked.step, asked.unit], order_by=order)
    first = asked.mutate(number=number)
    first = first.filter(first.number == 0).select("at", "step", "arm")
    first = source.keep("assigned", first)
    days = days_of(first, time_zone)
    return _arms_of(by_day(first, days)) if days else ()


def _arms_of(units: Any) -> Sequence[WindowPair]:
    sums = {arm: (units.arm == arm).sum() for arm in ARMS}
    found = units.group_by(["start", "step"]).aggregate(**sums).order_by(["start", "step"])
    return tuple(
        WindowPair(
            start=utc(row["start"]),
            step=row["step"],
            **{arm: Counts(n=row[arm], events=0) for arm in ARMS},
        )
        for row in answer(found)
    )


def _units(rows: Any, metric: UnitMetric) -> Any:
    """One line a unit and step: its first day there; not of units that both arms answered."""
    import ibis

    candidate = (rows.arm == "candidate").sum()
    by_day = rows.group_by(["start", "step", "unit"]).aggregate(
        n=rows.count(), candidate=candidate, posted=rows.value.count(), value=rows.value.sum()
    )
    number = ibis.row_number().over(group_by=["step", "unit"], order_by="start")
    units = by_day.mutate(number=number)
    pure = (units.candidate == 0) | (units.candidate == units.n)
    units = units.filter((units.number == 0) & pure)
    if metric.without_value == "left_out":
        units = units.filter(units.posted > 0)
    value = units.value.fill_null(0.0).clip(-metric.cap, metric.cap)
    kept = units.select("start", "step", "unit", "posted", "candidate", value=value)
    return kept.mutate(candidate=kept.candidate > 0)


def unit_sums(units: Any) -> Sequence[WindowPair]:
    """Moments of ``value`` by day, step and arm, where something was posted of a unit."""
    sums = {"posted": units.posted.sum()}
    for arm, of_arm in (("champion", ~units.candidate), ("candidate", units.candidate)):
        sums[f"{arm}_n"] = of_arm.sum()
        sums[f"{arm}_mean"] = units.value.mean(where=of_arm)
        sums[f"{arm}_var"] = units.value.var(how="pop", where=of_arm)
    found = units.group_by(["start", "step"]).aggregate(**sums).order_by(["start", "step"])
    return tuple(
        WindowPair(
            start=utc(row["start"]),
            step=row["step"],
            champion_units=_moments(row, "champion"),
            candidate_units=_moments(row, "candidate"),
        )
        for row in answer(found)
        if row["posted"]
    )


def _moments(row: dict[str, Any], arm: str) -> Moments:
    n = row[f"{arm}_n"]
    if not n:
        return Moments(n=0)
    return Moments(n=n, mean=row[f"{arm}_mean"], m2=max(0.0, row[f"{arm}_var"]) * n)
