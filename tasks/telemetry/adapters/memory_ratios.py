"""Two sums by randomised unit: the definition, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from policies.vocabulary import PairMoments, WindowPair
from tasks.evidence.summary import pairs_of
from tasks.telemetry.adapters.memory import (
    Event,
    _at,
    _day_of,
    _first,
    _is_answer,
    _label_in_time,
)
from tasks.telemetry.adapters.memory_units import _values
from tasks.telemetry.days import closed_days, local_days
from tasks.telemetry.metrics import ARMS, UNMIRRORED, refuse_endless
from tasks.telemetry.ports import UnitRatio


@dataclass
class _Unit:
    arms: set[str] = field(default_factory=set)
    x: float = 0.0
    y: list[float] = field(default_factory=list)


def ratio_windows(
    rows: Sequence[Event],
    posted: Sequence[Event],
    metric: UnitRatio,
    now: datetime,
    time_zone: str,
) -> Sequence[WindowPair]:
    horizon = timedelta(hours=metric.horizon_hours)
    asked = [r for r in rows if r["served"] and r["arm"] in ARMS and r["step"] not in UNMIRRORED]
    asked = list(_first([r for r in asked if r["unit"] is not None], "id"))
    if not asked:
        return ()
    days = local_days(min(map(_at, asked)), max(map(_at, asked)), time_zone)
    above = _values(posted, metric.name)
    below = None if metric.per is None else _values(posted, metric.per)
    units: dict[tuple[str, str], dict[datetime, _Unit]] = {}
    for row in asked:
        if (day := _day_of(_at(row), closed_days(days, horizon, now))) is not None:
            of_unit = units.setdefault((row["step"], row["unit"]), {})
            unit = of_unit.setdefault(day[0], _Unit())
            key = (row["model"], row["id"])
            unit.arms.add(row["arm"])
            if below is None:
                unit.x += _is_answer(row)
            else:
                unit.x += _finite(metric, _label_in_time(below, key, _at(row), horizon)) or 0.0
            value = _finite(metric, _label_in_time(above, key, _at(row), horizon))
            unit.y += [] if value is None else [value]
    return _windows(units, metric)


def _finite(metric: UnitRatio, value: float | None) -> float | None:
    refuse_endless(metric.name, int(value is not None and not math.isfinite(value)))
    return value


def _windows(
    units: dict[tuple[str, str], dict[datetime, _Unit]], metric: UnitRatio
) -> Sequence[WindowPair]:
    windows: dict[tuple[datetime, str], list[_Unit]] = {}
    for (step, _), days in units.items():
        start = min(days)
        windows.setdefault((start, step), []).append(days[start])
    found = []
    for start, step in sorted(windows):
        counted = [u for u in windows[start, step] if len(u.arms) == 1]
        if any(unit.y for unit in counted):
            champion, candidate = (_pairs(counted, arm, metric) for arm in ARMS)
            window = WindowPair(start=start, step=step)
            arms = {"champion_pairs": champion, "candidate_pairs": candidate}
            found.append(window.model_copy(update=arms))
    return found


def _pairs(units: Iterable[_Unit], arm: str, metric: UnitRatio) -> PairMoments:
    mine = [u for u in units if arm in u.arms and (u.y or metric.without_value == "zero")]
    return pairs_of((u.x, min(max(sum(u.y), -metric.cap), metric.cap)) for u in mine)
