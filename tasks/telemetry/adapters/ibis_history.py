"""What units brought on days before a release, summed where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from policies.vocabulary import PairMoments
from tasks.telemetry.adapters.ibis_ratios import pairs_of
from tasks.telemetry.adapters.ibis_rows import answer, by_day, first_of, moment
from tasks.telemetry.adapters.ibis_values import in_time, values_of
from tasks.telemetry.days import Day, days_between
from tasks.telemetry.ports import UnitMetric


def unit_history(
    source: Any, model: str, metric: UnitMetric, before: Sequence[Day], then: Sequence[Day]
) -> PairMoments:
    """x: a day of ``before`` on average; y: the first one of ``then``."""
    x = _of_model(source, model, metric, before)
    y = _of_model(source, model, metric, then)
    x = x.group_by("unit").aggregate(x=x.value.mean())
    y = y.group_by("unit").aggregate(y=y.value.argmin(y.start))
    both = x.join(y, "unit")
    sums = both.aggregate(
        n=both.count(),
        mean_x=both.x.mean(),
        mean_y=both.y.mean(),
        m2_x=both.x.var(how="pop"),
        m2_y=both.y.var(how="pop"),
        c_xy=both.x.cov(both.y, how="pop"),
    )
    return pairs_of(answer(sums)[0])


def adjusted(source: Any, units: Any, metric: UnitMetric, time_zone: str) -> Any:
    """Each unit's ``value`` told apart from what it brought before; without history as it is."""
    if metric.adjustment is None:
        return units
    theta, mean = metric.adjustment.theta, metric.adjustment.mean
    brought = _by_day(source, metric, days_between(metric.adjustment, time_zone))
    brought = brought.group_by(["model", "unit"]).aggregate(brought=brought.value.mean())
    told = units.left_join(brought, ["model", "unit"])
    value = told.value - theta * (told.brought.fill_null(mean) - mean)
    return told.select(*(name for name in units.columns if name != "value"), value=value)


def _of_model(source: Any, model: str, metric: UnitMetric, days: Sequence[Day]) -> Any:
    brought = _by_day(source, metric, days)
    return brought.filter(brought.model == model)


def _by_day(source: Any, metric: UnitMetric, days: Sequence[Day]) -> Any:
    """One line a unit and local day on which it was served, whoever answered."""
    horizon = timedelta(hours=metric.horizon_hours)
    since, until = days[0][0], days[-1][1]
    rows = source.predictions
    inside = (rows.at >= moment(since)) & (rows.at < moment(until))
    rows = first_of(rows.filter(rows.served & rows.unit.notnull() & inside), "model", "id")
    rows = rows.select("model", "id", "at", "unit")
    values = values_of(source.tables["metrics"], metric.name, until + horizon)
    rows = by_day(in_time(rows, values, horizon, "value"), days)
    brought = rows.group_by(["model", "unit", "start"]).aggregate(
        posted=rows.value.count(), value=rows.value.sum()
    )
    if metric.without_value == "left_out":
        brought = brought.filter(brought.posted > 0)
    value = brought.value.fill_null(0.0).clip(-metric.cap, metric.cap)
    return brought.select("model", "unit", "start", value=value)
