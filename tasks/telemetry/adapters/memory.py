"""Telemetry over lists of the same events the spool holds: the definitions, in plain Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from policies.errors import UnavailableError
from policies.vocabulary import Bins, Counts, Histogram, WindowPair
from tasks.evidence.summary import moments_of
from tasks.telemetry.days import Day, Each, closed_days, local_days, spans
from tasks.telemetry.log_buckets import bucket_of
from tasks.telemetry.metrics import (
    ARMS,
    INSTEAD,
    MIRRORED,
    UNMIRRORED,
    check_fault,
    check_loss,
    loss,
)
from tasks.telemetry.ports import (
    Answered,
    Coverage,
    Exposure,
    LogCounts,
    Logged,
    SampleRow,
    Survey,
    UnitHistory,
    UnitMetric,
    UnitRatio,
    Variety,
)

Event = dict[str, Any]


class _Pair(NamedTuple):
    at: datetime
    step: str
    model: str
    row_id: str
    champion: float
    candidate: float


@dataclass
class MemoryTelemetry:
    """Lists may grow while it is used. ``down`` makes every question fail, as a lost source."""

    predictions: list[Event] = field(default_factory=list)
    outcomes: list[Event] = field(default_factory=list)
    inputs: list[Event] = field(default_factory=list)
    metrics: list[Event] = field(default_factory=list)
    drops: list[Event] = field(default_factory=list)
    down: bool = False

    @contextmanager
    def looking(self, model: str) -> Iterator[MemoryTelemetry]:
        yield self

    def paired_windows(
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> tuple[Sequence[WindowPair], Coverage]:
        check_loss(metric)
        horizon = timedelta(hours=horizon_hours)
        rows = self._release(release_id, now)
        pairs = _pairs(rows)
        labels = self._labels(now)
        mature = [p for p in pairs if p.at + horizon <= now]
        labelled = [(p, y) for p in mature if (y := _in_time(labels, p, horizon)) is not None]
        coverage = Coverage(
            served=len({r["id"] for r in rows if r["served"] and r["step"] not in UNMIRRORED}),
            both=len(pairs),
            mature=len(mature),
            labelled=len(labelled),
        )
        if not pairs:
            return (), coverage
        days = local_days(min(p.at for p in pairs), max(p.at for p in pairs), time_zone)
        return _paired_windows(labelled, metric, closed_days(days, horizon, now)), coverage

    def served_losses(
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> tuple[Sequence[WindowPair], Coverage]:
        from tasks.telemetry.adapters.memory_losses import served_losses

        check_loss(metric)
        rows, labels = self._release(release_id, now), self._labels(now)
        horizon = timedelta(hours=horizon_hours)
        return served_losses(rows, labels, metric, now, horizon, time_zone)

    def logged(self, release_id: str, *, now: datetime) -> Sequence[Logged]:
        lines = Counter(row["step"] for row in self._release(release_id, now))
        lost: dict[str, list[Event]] = {}
        for drop in self.drops:
            if (drop["release"], drop["kind"]) == (release_id, "predictions") and _at(drop) <= now:
                lost.setdefault(drop["step"], []).append(drop)
        steps = sorted(lines.keys() | lost.keys())
        return tuple(_logged(step, lines[step], lost.get(step, [])) for step in steps)

    def segment_windows(
        self,
        release_id: str,
        metric: str,
        column: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> Mapping[str, Sequence[WindowPair]]:
        check_loss(metric)
        horizon = timedelta(hours=horizon_hours)
        labels = self._labels(now)
        segments: dict[str, list[tuple[_Pair, float]]] = {}
        pairs = _pairs(self._release(release_id, now))
        carried = {key: text for key, _, text in self._carried(column)}
        for pair in pairs:
            value = carried.get((pair.model, pair.row_id))
            label = _in_time(labels, pair, horizon)
            if value is not None and label is not None:
                segments.setdefault(value, []).append((pair, label))
        if not pairs:
            return {}
        days = local_days(min(p.at for p in pairs), max(p.at for p in pairs), time_zone)
        closed = closed_days(days, horizon, now)
        found = {value: _paired_windows(rows, metric, closed) for value, rows in segments.items()}
        return {value: windows for value, windows in sorted(found.items()) if windows}

    def varied(
        self,
        model: str,
        columns: Sequence[str],
        *,
        by: str | None = None,
        now: datetime,
        time_zone: str,
        days: int,
    ) -> Sequence[Variety]:
        self._answer()
        groups = {key: text for key, _, text in self._carried(by)} if by is not None else {}
        found: list[Variety] = []
        for column in sorted(set(columns)):
            rows = [
                (at, groups.get(key, ""), text)
                for key, at, text in self._carried(column)
                if key[0] == model and at <= now and (by is None or key in groups)
            ]
            if not rows:
                continue
            every = local_days(min(rows)[0], max(rows)[0], time_zone)
            for start, end in closed_days(every, timedelta(0), now):
                values = [(group, text) for at, group, text in rows if start <= at < end]
                if values:
                    found.append(
                        Variety(
                            column=column,
                            start=start,
                            n=len(values),
                            distinct=len(set(values)),
                            groups=len({group for group, _ in values}),
                        )
                    )
        last = sorted({item.start for item in found})[-days:]
        return tuple(item for item in found if item.start in last)

    def _carried(self, column: str) -> list[tuple[tuple[str, str], datetime, str]]:
        """Request, time and the value it carried, as text; nulls left out."""
        return [
            ((r["model"], r["id"]), _at(r), _text(r["inputs"][column]))
            for r in _first(self.inputs, "model", "id")
            if r["inputs"].get(column) is not None
        ]

    def live_windows(
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        time_zone: str,
        slow_ms: float | None,
        each: Each = "day",
    ) -> Sequence[WindowPair]:
        check_fault(metric, slow_ms)
        rows = [r for r in self._release(release_id, now) if r["weight_bp"] > 0]
        rows = [r for r in rows if r["arm"] == "champion" or (_is_candidate(r) and r["served"])]
        if not rows:
            return ()
        days = spans(min(map(_at, rows)), max(map(_at, rows)), time_zone, each)
        windows: dict[tuple[datetime, str], list[Event]] = {}
        for row in _first(rows, "id", "arm"):
            if (day := _day_of(_at(row), days)) is not None:
                windows.setdefault((day[0], row["step"]), []).append(row)
        limit = slow_ms if metric == "slow" else None
        return tuple(
            WindowPair(
                start=start,
                step=step,
                champion=_counts(windows[start, step], "champion", limit),
                candidate=_counts(windows[start, step], "candidate", limit),
            )
            for start, step in sorted(windows)
        )

    def mirrored_windows(
        self,
        release_id: str,
        *,
        now: datetime,
        time_zone: str,
        each: Each = "day",
        alone: bool = True,
    ) -> Sequence[WindowPair]:
        rows = [r for r in self._release(release_id, now) if _is_mirrored_alone(r)]
        asked: dict[str, dict[str, Event]] = {}
        for row in _first(rows, "id", "arm"):
            if row["arm"] in ARMS:
                asked.setdefault(row["id"], {})[row["arm"]] = row
        both = [arms for arms in asked.values() if len(arms) == len(ARMS)]
        if not both:
            return ()
        early = [min(arms.values(), key=_at) for arms in both]
        days = spans(min(map(_at, early)), max(map(_at, early)), time_zone, each)
        windows: dict[tuple[datetime, str], list[tuple[bool, ...]]] = {}
        for arms, first in zip(both, early, strict=True):
            if (day := _day_of(_at(first), days)) is not None:
                failed = tuple(not _is_answer(arms[arm]) for arm in ARMS)
                told = (False, False) if alone and all(failed) else failed
                windows.setdefault((day[0], first["step"]), []).append(told)
        return tuple(
            WindowPair(
                start=start,
                step=step,
                champion=Counts(n=len(failed), events=sum(row[0] for row in failed)),
                candidate=Counts(n=len(failed), events=sum(row[1] for row in failed)),
            )
            for (start, step), failed in sorted(windows.items())
        )

    def unit_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.memory_units import unit_windows

        rows = self._release(release_id, now)
        posted = [r for r in self.metrics if _at(r) <= now]
        return unit_windows(rows, posted, metric, now, time_zone, self._served())

    def unit_history(
        self, model: str, metric: UnitMetric, *, before: Sequence[Day], then: Sequence[Day]
    ) -> UnitHistory:
        from tasks.telemetry.adapters.memory_history import unit_history

        return unit_history(self._served(), self.metrics, model, metric, before, then)

    def missing_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.memory_units import missing_windows

        rows = self._release(release_id, now)
        posted = [r for r in self.metrics if _at(r) <= now]
        return missing_windows(rows, posted, metric, now, time_zone)

    def ratio_windows(
        self, release_id: str, metric: UnitRatio, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.memory_ratios import ratio_windows

        rows = self._release(release_id, now)
        posted = [r for r in self.metrics if _at(r) <= now]
        return ratio_windows(rows, posted, metric, now, time_zone)

    def assigned_windows(
        self, release_id: str, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.memory_units import assigned_windows

        return assigned_windows(self._release(release_id, now), time_zone)

    def survey(
        self,
        model: str,
        *,
        release_id: str | None,
        since: datetime,
        now: datetime,
        horizon_hours: float,
    ) -> Survey:
        from tasks.telemetry.adapters.memory_survey import survey

        self._answer()
        events = (self.predictions, self.outcomes, self.metrics, self.drops)
        of_model = [[e for e in kind if e["model"] == model] for kind in events]
        return survey(model, of_model, release_id, since, now, timedelta(hours=horizon_hours))

    def answered(self, model: str, version: str) -> Iterator[Answered]:
        self._answer()
        good = [r for r in self.predictions if r["model"] == model and _is_answer(r)]
        given = [r for r in good if r["served"] or (r.get("reason") or "").startswith(INSTEAD)]
        mine = [r for r in given if r["version"] == version]
        first = _first(mine, "id")
        for row in sorted(first, key=lambda row: (_at(row), row["id"])):
            yield Answered(
                row["id"], row["unit"], _at(row), row["release"], row["step"], row["score"]
            )

    def exposure(self, release_id: str, slow_ms: float | None = None) -> Exposure:
        self._answer()
        rows = [r for r in self.predictions if r["release"] == release_id]
        mine = [r for r in rows if _is_candidate(r) and r["served"]]
        late = [r for r in mine if slow_ms is not None and _is_fault(r, slow_ms)]
        faults = [_at(r) for r in (*late, *(r for r in mine if not _is_answer(r)))]
        return Exposure(
            requests=len({r["id"] for r in mine}),
            first_at=min(map(_at, mine), default=None),
            first_fault_at=min(faults, default=None),
        )

    def served_faults(
        self, model: str, metric: str, *, since: datetime, now: datetime, slow_ms: float | None
    ) -> Counts:
        check_fault(metric, slow_ms)
        self._answer()
        served = [r for r in self.predictions if r["model"] == model and r["served"]]
        rows = _first([r for r in served if since <= _at(r) <= now], "id")
        limit = slow_ms if metric == "slow" else None
        faults = [_is_fault(row, limit) for row in rows]
        return Counts(n=len(faults), events=sum(faults))

    def bins(self, model: str, column: str | None, *, since: datetime, until: datetime) -> Bins:
        from tasks.telemetry.adapters.memory_shapes import bins_of

        return bins_of(column, self._values(model, column, since, until))

    def histogram(self, model: str, bins: Bins, *, since: datetime, until: datetime) -> Histogram:
        from tasks.telemetry.adapters.memory_shapes import histogram_of

        return histogram_of(bins, self._values(model, bins.column, since, until))

    def latency_counts(self, model: str, *, since: datetime, until: datetime) -> LogCounts:
        self._answer()
        rows = [r for r in self.predictions if r["model"] == model and r["served"]]
        rows = [r for r in rows if _is_answer(r) and not _is_candidate(r)]
        first = _first([r for r in rows if since <= _at(r) < until], "id")
        waited = [bucket_of(r["latency_ms"]) for r in first]
        known = Counter(place for place in waited if place is not None)
        return LogCounts(counts=dict(sorted(known.items())), unknown=waited.count(None))

    def _values(
        self, model: str, column: str | None, since: datetime, until: datetime
    ) -> list[str | None]:
        """One text for each request of the period; ``None`` where it carried nothing."""
        self._answer()
        rows = self.predictions if column is None else self.inputs
        rows = [r for r in rows if r["model"] == model and since <= _at(r) < until]
        if column is None:
            rows = [r for r in rows if r["arm"] == "champion" and _is_answer(r)]
            return [_text(row["score"]) for row in _first(rows, "id")]
        carried = [row["inputs"].get(column) for row in _first(rows, "id")]
        return [None if value is None else _text(value) for value in carried]

    def sample(
        self, model: str, *, now: datetime, rows: int, since: datetime, horizon_hours: float
    ) -> Sequence[SampleRow]:
        self._answer()
        horizon = timedelta(hours=horizon_hours)
        labels = self._labels(now)
        inputs = {r["id"]: r["inputs"] for r in _first(self.inputs, "id") if r["model"] == model}
        served = [r for r in self.predictions if r["model"] == model and r["served"]]
        served = [r for r in served if since <= _at(r) <= now - horizon and r["id"] in inputs]
        newest = sorted(_first(served, "id"), key=lambda r: (_at(r), r["id"]), reverse=True)
        return tuple(
            SampleRow(
                inputs=inputs[r["id"]],
                label=_label_in_time(labels, (model, r["id"]), _at(r), horizon),
                at=_at(r),
            )
            for r in newest[:rows]
        )

    def _answer(self) -> None:
        if self.down:
            raise UnavailableError("The telemetry does not answer.", advice="Bring it back.")

    def _release(self, release_id: str, now: datetime) -> list[Event]:
        self._answer()
        return [r for r in self.predictions if r["release"] == release_id and _at(r) <= now]

    def _served(self) -> list[Event]:
        self._answer()
        return [r for r in self.predictions if r["served"]]

    def _labels(self, now: datetime) -> dict[tuple[str, str], tuple[datetime, float]]:
        """The first label of each row; later ones never replace it."""
        known = [r for r in self.outcomes if r["label"] is not None and _at(r) <= now]
        return {(r["model"], r["id"]): (_at(r), r["label"]) for r in _first(known, "model", "id")}


def _paired_windows(
    labelled: Iterable[tuple[_Pair, float]], metric: str, days: Sequence[Day]
) -> Sequence[WindowPair]:
    windows: dict[tuple[datetime, str], list[float]] = {}
    for pair, label in labelled:
        if (day := _day_of(pair.at, days)) is not None:
            worse = loss(metric, pair.candidate, label) - loss(metric, pair.champion, label)
            windows.setdefault((day[0], pair.step), []).append(worse)
    return tuple(
        WindowPair(start=start, step=step, paired=moments_of(windows[start, step]))
        for start, step in sorted(windows)
    )


def _logged(step: str, lines: int, drops: Sequence[Event]) -> Logged:
    return Logged(
        step=step,
        lines=lines,
        lost=sum(drop["lines"] for drop in drops),
        since=min(map(_at, drops), default=None),
        until=max((_at(drop, "until") for drop in drops), default=None),
    )


def _is_mirrored_alone(row: Event) -> bool:
    """Of a step at which no user meets the candidate, and both are asked."""
    return bool(row["weight_bp"] == 0 and row["step"] == MIRRORED)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _pairs(rows: Iterable[Event]) -> list[_Pair]:
    """Rows that both scored, each once; at the time and step of the earlier score."""
    scored = [r for r in rows if r["arm"] in ARMS and _is_answer(r)]
    first = {(r["id"], r["arm"]): r for r in _first(scored, "id", "arm")}
    pairs = []
    for (row_id, arm), champion in first.items():
        candidate = first.get((row_id, "candidate"))
        if arm == "champion" and candidate is not None:
            early = champion if _at(champion) <= _at(candidate) else candidate
            pairs.append(
                _Pair(
                    _at(early),
                    early["step"],
                    champion["model"],
                    row_id,
                    champion["score"],
                    candidate["score"],
                )
            )
    return pairs


def _first(rows: Iterable[Event], *keys: str) -> Iterable[Event]:
    """The earliest event for each key: repeated lines are one event."""
    first: dict[tuple[Any, ...], Event] = {}
    for row in sorted(rows, key=lambda r: (_at(r), r.get("step") or "")):
        first.setdefault(tuple(row[key] for key in keys), row)
    return first.values()


def _in_time(
    labels: dict[tuple[str, str], tuple[datetime, float]], pair: _Pair, horizon: timedelta
) -> float | None:
    return _label_in_time(labels, (pair.model, pair.row_id), pair.at, horizon)


def _label_in_time(
    labels: dict[tuple[str, str], tuple[datetime, float]],
    key: tuple[str, str],
    since: datetime,
    horizon: timedelta,
) -> float | None:
    """A label from before its row says nothing about it, and none that follows replaces it."""
    at, label = labels.get(key, (None, None))
    return label if at is not None and since <= at <= since + horizon else None


def _day_of(at: datetime, days: Iterable[Day]) -> Day | None:
    return next((day for day in days if day[0] <= at < day[1]), None)


def _counts(rows: Iterable[Event], arm: str, slow_ms: float | None) -> Counts:
    faults = [_is_fault(row, slow_ms) for row in rows if row["arm"] == arm]
    return Counts(n=len(faults), events=sum(faults))


def _is_candidate(row: Event) -> bool:
    return bool(row["arm"] == "candidate")


def _is_answer(row: Event) -> bool:
    """An answer is a probability; anything else was none."""
    return row["error"] is None and row["score"] is not None and 0.0 <= row["score"] <= 1.0


def _is_fault(row: Event, slow_ms: float | None) -> bool:
    if slow_ms is None:
        return not _is_answer(row)
    return bool(row["latency_ms"] is None or row["latency_ms"] > slow_ms)


def _at(row: Event, name: str = "at") -> datetime:
    return datetime.fromisoformat(row[name]).astimezone(UTC)
