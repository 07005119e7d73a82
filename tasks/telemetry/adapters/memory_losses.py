"""The loss of what each arm answered itself: the definition, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from policies.vocabulary import Moments, WindowPair
from tasks.evidence.summary import moments_of
from tasks.telemetry.adapters.memory import (
    Event,
    _at,
    _day_of,
    _first,
    _is_answer,
    _label_in_time,
    _pairs,
)
from tasks.telemetry.days import closed_days, local_days
from tasks.telemetry.metrics import ARMS, UNMIRRORED, loss
from tasks.telemetry.ports import Coverage

Labels = Mapping[tuple[str, str], tuple[datetime, float]]
Unit = dict[datetime, list[tuple[str, float | None]]]  # by day: who answered, and its loss


def served_losses(
    rows: Sequence[Event],
    labels: Labels,
    metric: str,
    now: datetime,
    horizon: timedelta,
    time_zone: str,
) -> tuple[Sequence[WindowPair], Coverage]:
    served = [r for r in rows if r["served"] and r["arm"] in ARMS and _is_answer(r)]
    served = [r for r in _first(served, "id") if r["step"] not in UNMIRRORED]
    labelled = [(r, _label_in_time(dict(labels), (r["model"], r["id"]), _at(r), horizon))
                for r in served]  # fmt: skip
    coverage = _coverage(rows, labelled, now, horizon)
    live = [(r, y) for r, y in labelled if r["weight_bp"] > 0 and r["unit"] is not None]
    if not live:
        return (), coverage
    days = local_days(min(_at(r) for r, _ in live), max(_at(r) for r, _ in live), time_zone)
    closed = closed_days(days, horizon, now)
    units: dict[tuple[str, str], Unit] = {}
    for row, label in live:
        if (day := _day_of(_at(row), closed)) is not None:
            lost = None if label is None else loss(metric, row["score"], label)
            of_unit = units.setdefault((row["step"], row["unit"]), {})
            of_unit.setdefault(day[0], []).append((row["arm"], lost))
    return _windows(units), coverage


def _windows(units: Mapping[tuple[str, str], Unit]) -> Sequence[WindowPair]:
    windows: dict[tuple[datetime, str], dict[str, list[float]]] = {}
    for (step, _), days in units.items():
        first = days[min(days)]
        lost = [each for _, each in first if each is not None]
        if lost and len({arm for arm, _ in first}) == 1:
            arms = windows.setdefault((min(days), step), {arm: [] for arm in ARMS})
            arms[first[0][0]].append(sum(lost) / len(lost))
    return tuple(
        WindowPair(
            start=start,
            step=step,
            champion_units=_moments(windows[start, step][ARMS[0]]),
            candidate_units=_moments(windows[start, step][ARMS[1]]),
        )
        for start, step in sorted(windows)
    )


def _moments(values: Sequence[float]) -> Moments:
    return moments_of(values) if values else Moments(n=0)


def _coverage(
    rows: Sequence[Event],
    labelled: Sequence[tuple[Event, float | None]],
    now: datetime,
    horizon: timedelta,
) -> Coverage:
    """Labels of the arm that has fewer of its own: missing ones may differ between arms."""
    seen = {r["id"] for r in rows if r["served"] and r["step"] not in UNMIRRORED}
    arms = []
    for arm in ARMS:
        mature = [y for r, y in labelled if r["arm"] == arm and _at(r) + horizon <= now]
        if mature:
            arms.append((sum(y is not None for y in mature), len(mature)))
    known, mature_rows = min(arms, key=lambda each: each[0] / each[1], default=(0, 0))
    both = len(_pairs(rows))
    return Coverage(served=len(seen), both=both, mature=mature_rows, labelled=known)
