"""Two sums by randomised unit, summed where they lie: by unit first, then by window and arm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from policies.vocabulary import PairMoments, WindowPair
from tasks.telemetry.adapters.ibis_rows import answer, by_day, days_of, first_of, is_answer, utc
from tasks.telemetry.adapters.ibis_units import in_time, values_of
from tasks.telemetry.days import closed_days
from tasks.telemetry.metrics import ARMS, UNMIRRORED
from tasks.telemetry.ports import UnitRatio

NO_UNITS = PairMoments(n=0)


def ratio_windows(
    source: Any, release_id: str, metric: UnitRatio, now: datetime, time_zone: str
) -> Sequence[WindowPair]:
    horizon = timedelta(hours=metric.horizon_hours)
    rows = source.release(release_id, now)
    asked = rows.served & rows.arm.isin(ARMS) & rows.step.notin(UNMIRRORED) & rows.unit.notnull()
    rows = first_of(rows.filter(asked), "id")
    rows = rows.select(
        "model", "id", "at", "step", "unit", "arm", x=is_answer(rows).cast("float64")
    )
    posted = source.tables["metrics"]
    rows = in_time(rows, values_of(posted, metric.name, now), horizon, "y")
    if metric.per is not None:
        rows = in_time(rows.drop("x"), values_of(posted, metric.per, now), horizon, "x")
    rows = source.keep("ratios", rows)
    days = closed_days(days_of(rows, time_zone), horizon, now)
    return _sums(_units(by_day(rows, days), metric)) if days else ()


def _units(rows: Any, metric: UnitRatio) -> Any:
    """One line a unit and step: its first day there; not of units that both arms answered."""
    import ibis

    by_unit = rows.group_by(["start", "step", "unit"]).aggregate(
        n=rows.count(),
        candidate=(rows.arm == "candidate").sum(),
        posted=rows.y.count(),
        x=rows.x.sum().fill_null(0.0),
        y=rows.y.sum().fill_null(0.0),
    )
    number = ibis.row_number().over(group_by=["step", "unit"], order_by="start")
    units = by_unit.mutate(number=number)
    pure = (units.candidate == 0) | (units.candidate == units.n)
    units = units.filter((units.number == 0) & pure)
    if metric.without_value == "left_out":
        units = units.filter(units.posted > 0)
    y = units.y.clip(-metric.cap, metric.cap)
    return units.select("start", "step", "posted", "x", y=y, candidate=units.candidate > 0)


def _sums(units: Any) -> Sequence[WindowPair]:
    sums = {"posted": units.posted.sum()}
    for arm, mine in (("champion", ~units.candidate), ("candidate", units.candidate)):
        sums |= {
            f"{arm}_n": mine.sum(),
            f"{arm}_mean_x": units.x.mean(where=mine),
            f"{arm}_mean_y": units.y.mean(where=mine),
            f"{arm}_m2_x": units.x.var(how="pop", where=mine),
            f"{arm}_m2_y": units.y.var(how="pop", where=mine),
            f"{arm}_c_xy": units.x.cov(units.y, how="pop", where=mine),
        }
    found = units.group_by(["start", "step"]).aggregate(**sums).order_by(["start", "step"])
    return tuple(
        WindowPair(
            start=utc(row["start"]),
            step=row["step"],
            champion_pairs=_pairs(row, "champion"),
            candidate_pairs=_pairs(row, "candidate"),
        )
        for row in answer(found)
        if row["posted"]
    )


def _pairs(row: dict[str, Any], arm: str) -> PairMoments:
    n = row[f"{arm}_n"]
    if not n:
        return NO_UNITS
    return PairMoments(
        n=n,
        mean_x=row[f"{arm}_mean_x"],
        mean_y=row[f"{arm}_mean_y"],
        m2_x=max(0.0, row[f"{arm}_m2_x"]) * n,
        m2_y=max(0.0, row[f"{arm}_m2_y"]) * n,
        c_xy=row[f"{arm}_c_xy"] * n,
    )
