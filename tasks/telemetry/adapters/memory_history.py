"""What units brought on days before a release: the definition, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import fmean

from policies.vocabulary import PairMoments
from tasks.evidence.summary import pairs_of
from tasks.telemetry.adapters.memory import Event, _at, _day_of, _first, _label_in_time
from tasks.telemetry.days import Day, days_between
from tasks.telemetry.ports import UnitMetric

Unit = tuple[str, str]  # model and unit


def unit_history(
    served: Iterable[Event],
    posted: Iterable[Event],
    metric: UnitMetric,
    before: Sequence[Day],
    then: Sequence[Day],
) -> PairMoments:
    x, y = (_brought(served, posted, metric, days) for days in (before, then))
    return pairs_of((fmean(x[unit].values()), y[unit][min(y[unit])]) for unit in x.keys() & y)


def expected(
    served: Iterable[Event], posted: Iterable[Event], metric: UnitMetric, time_zone: str
) -> Mapping[Unit, float]:
    """What is subtracted from a unit's value; of units without history nothing."""
    if metric.adjustment is None:
        return {}
    theta, mean = metric.adjustment.theta, metric.adjustment.mean
    brought = _brought(served, posted, metric, days_between(metric.adjustment, time_zone))
    return {unit: theta * (fmean(days.values()) - mean) for unit, days in brought.items()}


def _brought(
    served: Iterable[Event], posted: Iterable[Event], metric: UnitMetric, days: Sequence[Day]
) -> dict[Unit, dict[datetime, float]]:
    """By unit and day on which it was served, whoever answered; each day capped."""
    horizon = timedelta(hours=metric.horizon_hours)
    known = [r for r in posted if _at(r) <= days[-1][1] + horizon]
    known = [r for r in known if r["metric"] == metric.name and r["value"] is not None]
    values = {(r["model"], r["id"]): (_at(r), r["value"]) for r in _first(known, "model", "id")}
    rows = [r for r in served if r["unit"] is not None and days[0][0] <= _at(r) < days[-1][1]]
    found: dict[Unit, dict[datetime, list[float]]] = {}
    for row in _first(rows, "model", "id"):
        if (day := _day_of(_at(row), days)) is None:
            continue
        of_day = found.setdefault((row["model"], row["unit"]), {}).setdefault(day[0], [])
        value = _label_in_time(values, (row["model"], row["id"]), _at(row), horizon)
        of_day.extend([] if value is None else [value])
    return {unit: told for unit, days_ in found.items() if (told := _told(days_, metric))}


def _told(days: Mapping[datetime, Sequence[float]], metric: UnitMetric) -> dict[datetime, float]:
    return {
        start: min(max(sum(values), -metric.cap), metric.cap)
        for start, values in days.items()
        if values or metric.without_value == "zero"
    }
