"""The loss of what each arm answered itself, summed where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from policies.vocabulary import WindowPair
from tasks.telemetry.adapters.ibis_rows import (
    answer,
    by_day,
    days_of,
    first_of,
    is_answer,
    moment,
)
from tasks.telemetry.adapters.ibis_source import Source, labelled
from tasks.telemetry.adapters.ibis_sums import row_loss
from tasks.telemetry.adapters.ibis_units import unit_sums
from tasks.telemetry.days import closed_days
from tasks.telemetry.metrics import ARMS, UNMIRRORED
from tasks.telemetry.ports import Coverage


def served_losses(
    source: Source,
    release_id: str,
    metric: str,
    now: datetime,
    horizon: timedelta,
    time_zone: str,
) -> tuple[Sequence[WindowPair], Coverage]:
    every = source.release(release_id, now)
    served = every.served & every.step.notin(UNMIRRORED)
    rows = first_of(every.filter(served & every.arm.isin(ARMS) & is_answer(every)), "id")
    rows = source.keep("answered", labelled(rows, source.labels(now), horizon))
    both = source.pairs(release_id, now, horizon)
    coverage = _coverage(every.filter(served), rows, both, moment(now) - horizon)
    live = rows.filter((rows.weight_bp > 0) & rows.unit.notnull())
    days = closed_days(days_of(live, time_zone), horizon, now)
    return (unit_sums(_units(by_day(live, days), metric)) if days else ()), coverage


def _coverage(served: Any, rows: Any, pairs: Any, until: datetime) -> Coverage:
    """Labels of the arm that has fewer of its own: missing ones may differ between arms."""
    mature = rows.filter(rows.at <= until)
    arms = answer(mature.group_by("arm").aggregate(n=mature.count(), known=mature.label.count()))
    least = min(arms, key=lambda row: row["known"] / row["n"], default={"n": 0, "known": 0})
    return Coverage(
        served=answer(served.aggregate(n=served.id.nunique()))[0]["n"],
        both=answer(pairs.aggregate(n=pairs.count()))[0]["n"],
        mature=least["n"],
        labelled=least["known"],
    )


def _units(rows: Any, metric: str) -> Any:
    """One line a unit and step: its first day there; not of units that both arms answered."""
    import ibis

    rows = rows.mutate(lost=row_loss(rows.score, rows.label, metric))
    units = rows.group_by(["start", "step", "unit"]).aggregate(
        n=rows.count(), candidate=(rows.arm == ARMS[1]).sum(), lost=rows.lost.mean()
    )
    number = ibis.row_number().over(group_by=["step", "unit"], order_by="start")
    units = units.mutate(number=number)
    pure = (units.candidate == 0) | (units.candidate == units.n)
    units = units.filter((units.number == 0) & pure & units.lost.notnull())
    return units.select(
        "start", "step", posted=units.n, value=units.lost, candidate=units.candidate > 0
    )
