"""A business metric by randomised unit: the definition, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from policies.vocabulary import FULL_WEIGHT_BP, Counts, Moments, WindowPair
from tasks.evidence.summary import moments_of
from tasks.telemetry.adapters.memory import Event, _at, _day_of, _first, _label_in_time
from tasks.telemetry.adapters.memory_history import expected
from tasks.telemetry.days import closed_days, local_days
from tasks.telemetry.metrics import ARMS, refuse_endless
from tasks.telemetry.ports import UnitMetric

Key = tuple[datetime, str]  # day and step


class _Unit(NamedTuple):
    name: str
    arms: set[str]
    values: list[float]


Units = dict[tuple[str, str], dict[datetime, _Unit]]  # by step and unit, then by day


def unit_windows(
    rows: Sequence[Event],
    posted: Iterable[Event],
    metric: UnitMetric,
    now: datetime,
    time_zone: str,
    served: Sequence[Event],
) -> Sequence[WindowPair]:
    """``served``: of all times, for what units brought before."""
    posted, found = list(posted), []
    less = expected(served, posted, metric, time_zone)
    for (start, step), counted in _windows(_units(rows, posted, metric, now, time_zone)):
        champion, candidate = (_moments(counted, arm, metric, less) for arm in ARMS)
        arms = {"champion_units": champion, "candidate_units": candidate}
        found.append(WindowPair(start=start, step=step).model_copy(update=arms))
    return found


def missing_windows(
    rows: Sequence[Event],
    posted: Iterable[Event],
    metric: UnitMetric,
    now: datetime,
    time_zone: str,
) -> Sequence[WindowPair]:
    return tuple(
        WindowPair(start=start, step=step, **{arm: _missing(counted, arm) for arm in ARMS})
        for (start, step), counted in _windows(_units(rows, posted, metric, now, time_zone))
    )


def _missing(units: Sequence[_Unit], arm: str) -> Counts:
    silent = [not unit.values for unit in units if arm in unit.arms]
    return Counts(n=len(silent), events=sum(silent))


def _units(
    rows: Sequence[Event],
    posted: Iterable[Event],
    metric: UnitMetric,
    now: datetime,
    time_zone: str,
) -> Units:
    horizon = timedelta(hours=metric.horizon_hours)
    live = [r for r in rows if r["served"] and r["arm"] in ARMS and r["weight_bp"] > 0]
    live = list(_first([r for r in live if r["unit"] is not None], "id"))
    if not live:
        return {}
    days = local_days(min(map(_at, live)), max(map(_at, live)), time_zone)
    values = _values(posted, metric.name)
    units: Units = {}
    for row in live:
        if (day := _day_of(_at(row), closed_days(days, horizon, now))) is not None:
            of_unit = units.setdefault((row["step"], row["unit"]), {})
            unit = of_unit.setdefault(day[0], _Unit(row["unit"], set(), []))
            unit.arms.add(row["arm"])
            value = _label_in_time(values, (row["model"], row["id"]), _at(row), horizon)
            refuse_endless(metric.name, int(value is not None and not math.isfinite(value)))
            unit.values.extend([] if value is None else [value])
    return units


def assigned_windows(rows: Sequence[Event], time_zone: str) -> Sequence[WindowPair]:
    asked = [r for r in rows if r["served"] and r["arm"] in ARMS and r["unit"] is not None]
    asked = [r for r in asked if 0 < r["weight_bp"] < FULL_WEIGHT_BP]
    if not asked:
        return ()
    first: dict[tuple[str, str], Event] = {}
    for row in sorted(asked, key=lambda r: (_at(r), r["arm"])):
        first.setdefault((row["step"], row["unit"]), row)
    days = local_days(min(map(_at, asked)), max(map(_at, asked)), time_zone)
    windows: dict[Key, list[str]] = {}
    for (step, _), row in first.items():
        if (day := _day_of(_at(row), days)) is not None:
            windows.setdefault((day[0], step), []).append(row["arm"])
    return tuple(
        WindowPair(
            start=start,
            step=step,
            champion=Counts(n=arms.count("champion"), events=0),
            candidate=Counts(n=arms.count("candidate"), events=0),
        )
        for (start, step), arms in sorted(windows.items())
    )


def _values(posted: Iterable[Event], name: str) -> dict[tuple[str, str], tuple[datetime, float]]:
    known = [r for r in posted if r["metric"] == name and r["value"] is not None]
    return {(r["model"], r["id"]): (_at(r), r["value"]) for r in _first(known, "model", "id")}


def _windows(units: Units) -> Iterator[tuple[Key, list[_Unit]]]:
    """The units of each window: once a step, on their first day there, and of one arm alone."""
    windows: dict[Key, list[_Unit]] = {}
    for (step, _), days in units.items():
        start = min(days)
        windows.setdefault((start, step), []).append(days[start])
    for key in sorted(windows):
        counted = [unit for unit in windows[key] if len(unit.arms) == 1]
        if any(unit.values for unit in counted):
            yield key, counted


def _moments(
    units: Iterable[_Unit], arm: str, metric: UnitMetric, less: Mapping[str, float]
) -> Moments:
    return moments_of(
        _value(unit, metric) - less.get(unit.name, 0.0) for unit in units if _is(unit, arm, metric)
    )


def _is(unit: _Unit, arm: str, metric: UnitMetric) -> bool:
    return arm in unit.arms and bool(unit.values or metric.without_value == "zero")


def _value(unit: _Unit, metric: UnitMetric) -> float:
    return min(max(sum(unit.values), -metric.cap), metric.cap)
