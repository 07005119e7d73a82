"""How a source is: counts over its rows, summed where they lie."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tasks.telemetry.adapters.ibis_rows import answer, first_of, is_answer, moment, span, utc
from tasks.telemetry.metrics import OLDEST_DAYS
from tasks.telemetry.ports import AgeShare, ArmSeen, MetricSeen, Survey

DAY_SECONDS = 86_400


def survey(
    source: Any,
    model: str,
    release_id: str | None,
    since: datetime,
    now: datetime,
    horizon: timedelta,
) -> Survey:
    every = source.predictions
    all_rows = every.filter(every.model == model)
    rows = source.keep("surveyed", all_rows.filter(all_rows.at >= moment(since)))
    outcomes, metrics = (_of(source.tables[kind], model, since) for kind in ("outcomes", "metrics"))
    known = source.keep(
        "known", first_of(all_rows.filter(all_rows.served), "id").select("id", "at")
    )
    told = {**_lines(rows, now), **_labels(outcomes, known, now, horizon)}
    told["from_the_future"] += told.pop("labels_from_the_future")
    labelled = source.keep("labelled", _labelled(rows, outcomes, now))
    drops = _of(source.tables["drops"], model, since)
    lost = drops.lines.sum(where=drops.kind == "predictions").fill_null(0)
    return Survey(
        model=model,
        lost=answer(drops.aggregate(n=lost))[0]["n"],
        **told,
        **_lags(labelled),
        **_mature(labelled, now, horizon),
        ages=_ages(labelled, now),
        arms=_arms(rows, release_id),
        metrics=_metrics(metrics, known),
    )


def _of(events: Any, model: str, since: datetime) -> Any:
    return events.filter((events.model == model) & (events.at >= moment(since)))


def _lines(rows: Any, now: datetime) -> dict[str, Any]:
    failed = rows.error.notnull()
    once = rows.select("id", "arm").distinct()
    counts = answer(
        rows.aggregate(
            lines=rows.count(),
            served=rows.id.nunique(where=rows.served),
            newest=rows.at.max(where=rows.at <= moment(now)),
            failed=failed.sum().fill_null(0),
            bad_scores=(~failed & ~is_answer(rows)).sum().fill_null(0),
            without_unit=rows.unit.isnull().sum().fill_null(0),
            from_the_future=(rows.at > moment(now)).sum().fill_null(0),
        )
    )[0]
    counts["repeated"] = counts["lines"] - answer(once.aggregate(n=once.count()))[0]["n"]
    counts["newest"] = None if counts["newest"] is None else utc(counts["newest"])
    return counts


def _labels(outcomes: Any, known: Any, now: datetime, horizon: timedelta) -> dict[str, int]:
    labels = outcomes.filter(outcomes.label.notnull())
    first = first_of(labels, "id").select("id", labelled_at="at")
    joined = first.left_join(known, "id")
    counts = answer(
        joined.aggregate(
            first=joined.count(),
            unknown_labels=joined.at.isnull().sum().fill_null(0),
            early_labels=(joined.labelled_at < joined.at).sum().fill_null(0),
            late_labels=(joined.labelled_at > joined.at + span(horizon)).sum().fill_null(0),
        )
    )[0]
    all_of_them = answer(
        labels.aggregate(
            labels=labels.count(),
            labels_from_the_future=(labels.at > moment(now)).sum().fill_null(0),
        )
    )[0]
    repeated = all_of_them["labels"] - counts.pop("first")
    return counts | all_of_them | {"repeated_labels": repeated}


def _labelled(rows: Any, outcomes: Any, now: datetime) -> Any:
    """Each row that was answered once, with the seconds to its label (null: none)."""
    import ibis

    served = first_of(rows.filter(rows.served & (rows.at <= moment(now))), "id")
    first = first_of(outcomes.filter(outcomes.label.notnull()), "id").select("id", labelled_at="at")
    joined = served.select("id", "at").left_join(first, "id")
    # Whole seconds: engines differ in how they take the difference of two times.
    lag = joined.labelled_at.epoch_seconds() - joined.at.epoch_seconds()
    counts = joined.labelled_at.between(joined.at, moment(now))
    known = ibis.ifelse(counts, joined.labelled_at, ibis.null())
    return joined.select("at", labelled_at=known, lag=ibis.ifelse(counts, lag, ibis.null()))


def _mature(labelled: Any, now: datetime, horizon: timedelta) -> dict[str, int]:
    mature = labelled.at <= moment(now - horizon)
    in_time = labelled.labelled_at <= labelled.at + span(horizon)
    return answer(
        labelled.aggregate(
            mature=mature.sum().fill_null(0),
            mature_labelled=(mature & in_time).sum().fill_null(0),
        )
    )[0]


def _lags(labelled: Any) -> dict[str, float | None]:
    hours = labelled.lag.cast("float64") / 3600.0
    found = answer(labelled.aggregate(median=hours.quantile(0.5), p99=hours.quantile(0.99)))[0]
    return {"lag_median_hours": found["median"], "lag_p99_hours": found["p99"]}


def _ages(labelled: Any, now: datetime) -> tuple[AgeShare, ...]:
    seconds = int(now.timestamp()) - labelled.at.epoch_seconds()
    days = (seconds // DAY_SECONDS).clip(0, OLDEST_DAYS).cast("int64")
    aged = labelled.mutate(days_old=days)
    found = aged.group_by("days_old").aggregate(rows=aged.count(), labelled=aged.lag.count())
    return tuple(AgeShare(**row) for row in answer(found.order_by("days_old")))


def _arms(rows: Any, release_id: str | None) -> tuple[ArmSeen, ...]:
    if release_id is None:
        return ()
    rows = rows.filter(rows.release == release_id)
    seen = rows.group_by("arm").aggregate(
        scored=rows.id.nunique(), served=rows.id.nunique(where=rows.served)
    )
    return tuple(ArmSeen(**row) for row in answer(seen.order_by("arm")))


def _metrics(posted: Any, known: Any) -> tuple[MetricSeen, ...]:
    joined = posted.select("id", "metric").left_join(known.select("id", known_at="at"), "id")
    seen = joined.group_by("metric").aggregate(
        values=joined.count(), unknown=joined.known_at.isnull().sum()
    )
    return tuple(MetricSeen(**row) for row in answer(seen.order_by("metric")))
