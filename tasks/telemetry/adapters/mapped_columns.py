"""A team's columns as Seatrial's: expressions that the engine carries out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from policies.mapping import (
    Arms,
    Constant,
    InputColumns,
    MetricColumns,
    OutcomeColumns,
    PredictionColumns,
    Scaled,
    TelemetryMap,
)
from policies.vocabulary import Trial
from tasks.telemetry.adapters.ibis_rows import moment, span
from tasks.telemetry.zones import Offset, offsets

Mapped = dict[str, Any]
FAR = datetime(9999, 1, 1)  # noqa: DTZ001 - engines keep UTC without saying so
TRIAL = {
    "trial_model": "string", "release": "string", "step": "string", "weight_bp": "int64",
    "champion": "string", "candidate": "string", "start": "timestamp", "end": "timestamp",
}  # fmt: skip


def map_columns(
    mapping: TelemetryMap, tables: Mapped, trials: Callable[[], Sequence[Trial]]
) -> Mapped:
    zone = mapping.time_zone
    columns = mapping.predictions.columns
    mapped = {"predictions": predictions(tables["predictions"], columns, zone, trials)}
    if columns.label is not None:
        mapped["outcomes"] = _labels_beside(tables["predictions"], columns, zone)
    if mapping.outcomes is not None:
        mapped["outcomes"] = _outcomes(tables["outcomes"], mapping.outcomes.columns, zone)
    if mapping.metrics is not None:
        mapped["metrics"] = _metrics(tables["metrics"], mapping.metrics.columns, zone)
    if mapping.inputs is not None:
        mapped["inputs"] = _inputs(tables["inputs"], mapping.inputs.columns, zone)
    return mapped


def predictions(
    table: Any,
    columns: PredictionColumns,
    zone: str | None,
    trials: Callable[[], Sequence[Trial]],
) -> Any:
    rows = table.select(
        **_common(table, columns, zone),
        unit=_text(table, columns.unit),
        version=_text(table, columns.version),
        served=_yes_no(table, columns.served),
        score=table[columns.score].cast("float64"),
        error=_text(table, columns.error),
        reason=_text(table, None),  # whose place it took, no table of one's own tells
        latency_ms=_scaled(table, columns.latency_ms),
        arm=_arm(table, columns.arm),
        **_place(table, columns),
    )
    return rows if columns.release is not None else _placed(rows, trials())


def _common(table: Any, columns: Any, zone: str | None) -> Mapped:
    return {
        "at": utc(table[columns.at], zone),
        "model": _text(table, columns.model),
        "id": table[columns.id].cast("string"),
    }


def _place(table: Any, columns: PredictionColumns) -> Mapped:
    if columns.release is None:
        return {}
    return {
        "release": table[columns.release].cast("string"),
        "step": table[columns.step].cast("string"),
        "weight_bp": table[columns.weight_bp].cast("int64"),
    }


def _placed(rows: Any, trials: Sequence[Trial]) -> Any:
    """Release, step and share from the record; the arm by version, where no column tells it."""
    import ibis

    found = ibis.memtable([_row(trial) for trial in trials], schema=TRIAL)
    during = [rows.model == found.trial_model, rows.at >= found.start, rows.at < found.end]
    joined = rows.left_join(found, during)
    of_version = ibis.cases(
        (joined.version == joined.candidate, "candidate"),
        (joined.version == joined.champion, "champion"),
        else_="other",
    )
    return joined.select(
        *(name for name in rows.columns if name != "arm"),
        arm=ibis.coalesce(joined.arm, of_version),
        release=joined.release,
        step=joined.step.fill_null(""),
        weight_bp=joined.weight_bp.fill_null(0),
    )


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "trial_model": trial.model,
        "release": trial.release_id,
        "step": trial.step,
        "weight_bp": trial.weight_bp,
        "champion": trial.champion,
        "candidate": trial.candidate,
        "start": moment(trial.start),
        "end": FAR if trial.end is None else moment(trial.end),
    }


def _labels_beside(table: Any, columns: PredictionColumns, zone: str | None) -> Any:
    rows = table.filter(table[columns.label].notnull())
    common = {**_common(rows, columns, zone), "at": utc(rows[columns.label_at], zone)}
    return rows.select(**common, label=rows[columns.label].cast("float64"))


def _outcomes(table: Any, columns: OutcomeColumns, zone: str | None) -> Any:
    return table.select(**_common(table, columns, zone), label=table[columns.label].cast("float64"))


def _metrics(table: Any, columns: MetricColumns, zone: str | None) -> Any:
    return table.select(
        **_common(table, columns, zone),
        metric=_text(table, columns.metric),
        value=table[columns.value].cast("float64"),
    )


def _inputs(table: Any, columns: InputColumns, zone: str | None) -> Any:
    import ibis

    values = ibis.struct({name: table[name] for name in columns.inputs})
    return table.select(**_common(table, columns, zone), inputs=values)


def utc(at: Any, zone: str | None) -> Any:
    """A time as UTC without saying so, whatever it was written as."""
    if at.type().timezone is not None:
        return at.cast("timestamp('UTC')").cast("timestamp")
    return at.cast("timestamp") - _ahead(at, offsets(zone or "UTC"))


def _ahead(at: Any, known: Sequence[Offset]) -> Any:
    """The offset in force, found by halving: few comparisons a row, however many changes."""
    import ibis

    if len(known) == 1:
        return _signed(known[0][1])
    half = len(known) // 2
    later = at >= ibis.literal(known[half][0])
    return ibis.ifelse(later, _ahead(at, known[half:]), _ahead(at, known[:half]))


def _signed(length: timedelta) -> Any:
    return span(length) if length >= timedelta(0) else -span(-length)


def _text(table: Any, source: str | Constant | None) -> Any:
    import ibis

    if source is None:
        return ibis.null().cast("string")
    if isinstance(source, Constant):
        return ibis.literal(str(source.value))
    return table[source].cast("string")


def _yes_no(table: Any, source: str | Constant) -> Any:
    import ibis

    if isinstance(source, Constant):
        return ibis.literal(source.value is True)
    return table[source].cast("boolean").fill_null(False)


def _scaled(table: Any, source: str | Scaled | None) -> Any:
    import ibis

    if source is None:
        return ibis.null().cast("float64")
    if isinstance(source, Scaled):
        return table[source.column].cast("float64") * source.times
    return table[source].cast("float64")


def _arm(table: Any, source: str | Arms | None) -> Any:
    import ibis

    if source is None:
        return ibis.null().cast("string")
    if isinstance(source, str):
        return table[source].cast("string")
    words = table[source.column].cast("string")
    return ibis.cases(
        (words == source.champion, "champion"),
        (words == source.candidate, "candidate"),
        else_="other",
    )
