"""What units brought on days before a release: the definition, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import fmean

from policies.vocabulary import FULL_WEIGHT_BP
from tasks.evidence.summary import pairs_of
from tasks.telemetry.adapters.memory import Event, _at, _day_of, _first, _label_in_time
from tasks.telemetry.days import Day, days_between
from tasks.telemetry.history import same_days
from tasks.telemetry.metrics import refuse_endless
from tasks.telemetry.ports import UnitHistory, UnitMetric


def unit_history(
    served: Iterable[Event],
    posted: Iterable[Event],
    model: str,
    metric: UnitMetric,
    before: Sequence[Day],
    then: Sequence[Day],
) -> UnitHistory:
    x, y = (_brought(served, posted, model, metric, days) for days in (before, then))
    pairs = pairs_of((fmean(x[unit].values()), y[unit][min(y[unit])]) for unit in x.keys() & y)
    return UnitHistory(pairs=pairs, known=len(y), mean=_mean(y))


def expected(
    served: Iterable[Event], posted: Iterable[Event], metric: UnitMetric, time_zone: str
) -> Mapping[str, float]:
    """What is subtracted from a unit's value; of units without history nothing."""
    settled = metric.adjustment
    if settled is None or settled.theta == 0.0:
        return {}
    days = days_between(settled, time_zone)
    brought = _brought(served, posted, settled.model, metric, days)
    same_days(settled, len(brought), _mean(brought))
    return {
        unit: settled.theta * (fmean(told.values()) - settled.mean)
        for unit, told in brought.items()
    }


def _mean(brought: Mapping[str, Mapping[datetime, float]]) -> float:
    return fmean(fmean(days.values()) for days in brought.values()) if brought else 0.0


def _brought(
    served: Iterable[Event],
    posted: Iterable[Event],
    model: str,
    metric: UnitMetric,
    days: Sequence[Day],
) -> dict[str, dict[datetime, float]]:
    """By unit and day on which it was served outside of a split; each day capped."""
    horizon = timedelta(hours=metric.horizon_hours)
    known = [r for r in posted if r["metric"] == metric.name and r["value"] is not None]
    known = [r for r in known if _at(r) <= days[-1][1] + horizon]
    values = {(r["model"], r["id"]): (_at(r), r["value"]) for r in _first(known, "model", "id")}
    rows = [r for r in served if r["model"] == model and r["unit"] is not None]
    rows = [r for r in rows if days[0][0] <= _at(r) < days[-1][1]]
    found: dict[str, dict[datetime, list[float]]] = {}
    for row in _first(rows, "id"):
        day = _day_of(_at(row), days)
        if day is None or (row["weight_bp"] or 0) not in (0, FULL_WEIGHT_BP):
            continue
        of_day = found.setdefault(row["unit"], {}).setdefault(day[0], [])
        value = _label_in_time(values, (model, row["id"]), _at(row), horizon)
        of_day.extend([] if value is None else [value])
    told = {unit: _told(of_unit, metric) for unit, of_unit in found.items()}
    return {unit: of_unit for unit, of_unit in told.items() if of_unit}


def _told(days: Mapping[datetime, Sequence[float]], metric: UnitMetric) -> dict[datetime, float]:
    endless = [v for values in days.values() for v in values if not math.isfinite(v)]
    refuse_endless(metric.name, len(endless))
    return {
        start: min(max(sum(values), -metric.cap), metric.cap)
        for start, values in days.items()
        if values or metric.without_value == "zero"
    }
