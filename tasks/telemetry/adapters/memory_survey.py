"""How a source is: the definitions, in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.telemetry.adapters.memory import Event, _at, _first, _is_answer
from tasks.telemetry.metrics import OLDEST_DAYS
from tasks.telemetry.ports import AgeShare, ArmSeen, MetricSeen, Survey

DAY_SECONDS = 86_400


def survey(
    model: str,
    events: Sequence[Sequence[Event]],
    release_id: str | None,
    since: datetime,
    now: datetime,
    horizon: timedelta,
) -> Survey:
    """``events``: predictions, outcomes, metrics and drops of the model."""
    known = {r["id"]: _at(r) for r in _first([e for e in events[0] if e["served"]], "id")}
    rows, outcomes, metrics, drops = ([e for e in kind if _at(e) >= since] for kind in events)
    labels = [e for e in outcomes if e["label"] is not None]
    first = {e["id"]: _at(e) for e in _first(labels, "id")}
    served = {r["id"]: _at(r) for r in _first([e for e in rows if e["served"]], "id")}
    lags = {i: _lag(at, first.get(i), now) for i, at in served.items() if at <= now}
    mature = [i for i, at in served.items() if at <= now - horizon]
    hours = sorted(lag / 3600 for lag in lags.values() if lag is not None)
    return Survey(
        model=model,
        lines=len(rows),
        lost=sum(e["lines"] for e in drops if e["kind"] == "predictions"),
        served=len(served),
        newest=max((_at(r) for r in rows if _at(r) <= now), default=None),
        repeated=len(rows) - len({(r["id"], r["arm"]) for r in rows}),
        failed=sum(r["error"] is not None for r in rows),
        bad_scores=sum(r["error"] is None and not _is_answer(r) for r in rows),
        without_unit=sum(r["unit"] is None for r in rows),
        from_the_future=sum(_at(e) > now for e in (*rows, *labels)),
        labels=len(labels),
        unknown_labels=sum(i not in known for i in first),
        repeated_labels=len(labels) - len(first),
        early_labels=sum(i in known and at < known[i] for i, at in first.items()),
        late_labels=sum(i in known and at > known[i] + horizon for i, at in first.items()),
        lag_median_hours=_quantile(hours, 0.5),
        lag_p99_hours=_quantile(hours, 0.99),
        mature=len(mature),
        mature_labelled=sum(
            lags[i] is not None and first[i] <= served[i] + horizon for i in mature
        ),
        ages=_ages(served, lags, now),
        arms=_arms([r for r in rows if release_id is not None and r["release"] == release_id]),
        metrics=_metrics(metrics, known),
    )


def _lag(at: datetime, labelled_at: datetime | None, now: datetime) -> int | None:
    if labelled_at is None or not at <= labelled_at <= now:
        return None
    return math.floor(labelled_at.timestamp()) - math.floor(at.timestamp())


def _ages(
    served: dict[str, datetime], lags: dict[str, int | None], now: datetime
) -> tuple[AgeShare, ...]:
    rows: Counter[int] = Counter()
    labelled: Counter[int] = Counter()
    for row_id, lag in lags.items():
        seconds = math.floor(now.timestamp()) - math.floor(served[row_id].timestamp())
        age = min(max(seconds // DAY_SECONDS, 0), OLDEST_DAYS)
        rows[age] += 1
        labelled[age] += lag is not None
    return tuple(AgeShare(days_old=a, rows=rows[a], labelled=labelled[a]) for a in sorted(rows))


def _arms(rows: Sequence[Event]) -> tuple[ArmSeen, ...]:
    return tuple(
        ArmSeen(
            arm=arm,
            scored=len({r["id"] for r in rows if r["arm"] == arm}),
            served=len({r["id"] for r in rows if r["arm"] == arm and r["served"]}),
        )
        for arm in sorted({r["arm"] for r in rows})
    )


def _metrics(posted: Sequence[Event], known: dict[str, datetime]) -> tuple[MetricSeen, ...]:
    values = Counter(e["metric"] for e in posted)
    unknown = Counter(e["metric"] for e in posted if e["id"] not in known)
    return tuple(MetricSeen(metric=m, values=values[m], unknown=unknown[m]) for m in sorted(values))


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Between the two neighbours, in proportion."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
