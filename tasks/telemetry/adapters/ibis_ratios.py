"""Two sums by randomised unit, summed where they lie: by unit first, then by window and arm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from policies.vocabulary import PairMoments, WindowPair
from tasks.telemetry.adapters.ibis_rows import answer, by_day, days_of, first_of, is_answer, utc
from tasks.telemetry.adapters.ibis_values import finite, in_time, values_of
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
    rows = finite(source.keep("ratios", rows), metric.name, "y")
    rows = finite(rows, metric.per or metric.name, "x")
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
            champion_pairs=pairs_of(row, "champion_"),
            candidate_pairs=pairs_of(row, "candidate_"),
        )
        for row in answer(found)
        if row["posted"]
    )


def pairs_of(row: dict[str, Any], prefix: str = "") -> PairMoments:
    """From means and population variances, as engines tell them."""
    n = row[f"{prefix}n"]
    if not n:
        return NO_UNITS
    return PairMoments(
        n=n,
        mean_x=row[f"{prefix}mean_x"],
        mean_y=row[f"{prefix}mean_y"],
        m2_x=max(0.0, row[f"{prefix}m2_x"]) * n,
        m2_y=max(0.0, row[f"{prefix}m2_y"]) * n,
        c_xy=row[f"{prefix}c_xy"] * n,
    )
