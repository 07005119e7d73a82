"""What units brought on days before a release, summed where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from policies.vocabulary import FULL_WEIGHT_BP
from tasks.telemetry.adapters.ibis_ratios import pairs_of
from tasks.telemetry.adapters.ibis_rows import answer, by_day, first_of, moment
from tasks.telemetry.adapters.ibis_values import finite, in_time, values_of
from tasks.telemetry.days import Day, days_between
from tasks.telemetry.history import same_days
from tasks.telemetry.ports import UnitHistory, UnitMetric


def unit_history(
    source: Any, model: str, metric: UnitMetric, before: Sequence[Day], then: Sequence[Day]
) -> UnitHistory:
    first = _by_day(source, model, metric, before)
    second = source.keep("brought", _by_day(source, model, metric, then))
    x = first.group_by("unit").aggregate(x=first.value.mean())
    y = second.group_by("unit").aggregate(y=second.value.argmin(second.start))
    both = x.join(y, "unit")
    sums = both.aggregate(
        n=both.count(),
        mean_x=both.x.mean(),
        mean_y=both.y.mean(),
        m2_x=both.x.var(how="pop"),
        m2_y=both.y.var(how="pop"),
        c_xy=both.x.cov(both.y, how="pop"),
    )
    known, mean = _of_all(_by_unit(second))
    return UnitHistory(pairs=pairs_of(answer(sums)[0]), known=known, mean=mean)


def adjusted(source: Any, units: Any, metric: UnitMetric, time_zone: str) -> Any:
    """Each unit's ``value`` told apart from what it brought before; without history as it is."""
    settled = metric.adjustment
    if settled is None or settled.theta == 0.0:
        return units
    days = days_between(settled, time_zone)
    brought = source.keep("brought", _by_unit(_by_day(source, settled.model, metric, days)))
    same_days(settled, *_of_all(brought))
    told = units.left_join(brought, "unit")
    value = told.value - settled.theta * (told.brought.fill_null(settled.mean) - settled.mean)
    return told.select(*(name for name in units.columns if name != "value"), value=value)


def _by_unit(days: Any) -> Any:
    return days.group_by("unit").aggregate(brought=days.value.mean())


def _of_all(units: Any) -> tuple[int, float]:
    found = answer(units.aggregate(known=units.count(), mean=units.brought.mean()))[0]
    return found["known"], found["mean"] or 0.0


def _by_day(source: Any, model: str, metric: UnitMetric, days: Sequence[Day]) -> Any:
    """One line a unit and local day on which it was served outside of a split."""
    horizon = timedelta(hours=metric.horizon_hours)
    since, until = days[0][0], days[-1][1]
    rows = source.predictions
    inside = (rows.at >= moment(since)) & (rows.at < moment(until))
    mine = rows.served & rows.unit.notnull() & (rows.model == model)
    first = first_of(rows.filter(mine & inside), "id")
    weight = first.weight_bp.fill_null(0)
    alone = first.filter((weight == 0) | (weight == FULL_WEIGHT_BP))
    alone = alone.select("model", "id", "at", "unit")
    values = values_of(source.tables["metrics"], metric.name, until + horizon)
    rows = by_day(in_time(alone, values, horizon, "value"), days)
    rows = finite(source.keep("history", rows), metric.name, "value")
    brought = rows.group_by(["unit", "start"]).aggregate(
        posted=rows.value.count(), value=rows.value.sum()
    )
    if metric.without_value == "left_out":
        brought = brought.filter(brought.posted > 0)
    value = brought.value.fill_null(0.0).clip(-metric.cap, metric.cap)
    return brought.select("unit", "start", value=value)
