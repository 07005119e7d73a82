"""Telemetry in the spool folder, summed where it lies: Ibis on an embedded DuckDB.

The spool holds JSON lines that are still being written and Parquet files that are complete; a
Parquet file stands for the text file of the same stem. Only group-by sums leave the engine;
rows leave it in ``sample`` alone. Local days are worked out here and joined as spans of UTC,
so no engine needs a time zone table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Bins, Counts, Histogram, WindowPair
from tasks.telemetry.adapters.ibis_rows import (
    answer,
    days_of,
    first_of,
    is_answer,
    is_slow,
    moment,
    utc,
)
from tasks.telemetry.adapters.ibis_source import Source, Tables, labelled
from tasks.telemetry.adapters.ibis_spool import load
from tasks.telemetry.adapters.ibis_sums import (
    coverage_of,
    live_sums,
    mirrored_sums,
    paired_sums,
    segment_sums,
    variety,
)
from tasks.telemetry.days import Day, Each, closed_days
from tasks.telemetry.metrics import INSTEAD, check_fault, check_loss
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


@dataclass(frozen=True)
class IbisTelemetry:
    spool: Path
    reading: Source | None = field(default=None, kw_only=True)  # of the look under way

    @contextmanager
    def looking(self, model: str) -> Iterator[IbisTelemetry]:
        with self._open(model=model) as source:
            yield replace(self, reading=source)

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
        with self._open("predictions", "outcomes") as source:
            rows = source.release(release_id, now)
            pairs = source.pairs(release_id, now, horizon)
            coverage = coverage_of(rows, pairs, now, horizon)
            days = closed_days(days_of(pairs, time_zone), horizon, now)
            if not days:
                return (), coverage
            return paired_sums(pairs.filter(pairs.label.notnull()), metric, days), coverage

    def served_losses(
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> tuple[Sequence[WindowPair], Coverage]:
        from tasks.telemetry.adapters.ibis_losses import served_losses

        check_loss(metric)
        horizon = timedelta(hours=horizon_hours)
        with self._open("predictions", "outcomes") as source:
            return served_losses(source, release_id, metric, now, horizon, time_zone)

    def logged(self, release_id: str, *, now: datetime) -> Sequence[Logged]:
        from tasks.telemetry.adapters.ibis_logged import logged

        with self._open("predictions", "drops") as source:
            return logged(source, release_id, now)

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
        with self._open("predictions", "outcomes", "inputs") as source:
            pairs = source.pairs(release_id, now, horizon)
            carried = source.carried(source.inputs, [column])
            carried = carried.select("model", "id", segment="value")
            rows = source.keep("segments", pairs.join(carried, ["model", "id"]))
            days = closed_days(days_of(rows, time_zone), horizon, now)
            if not days:
                return {}
            return segment_sums(rows.filter(rows.label.notnull()), metric, days)

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
        with self._open("predictions") as source:
            rows = source.release(release_id, now)
            counted = (rows.arm == "champion") | ((rows.arm == "candidate") & rows.served)
            rows = source.keep(
                "live", first_of(rows.filter(counted & (rows.weight_bp > 0)), "id", "arm")
            )
            days = days_of(rows, time_zone, each)
            return live_sums(rows, slow_ms if metric == "slow" else None, days) if days else ()

    def mirrored_windows(
        self,
        release_id: str,
        *,
        now: datetime,
        time_zone: str,
        each: Each = "day",
        alone: bool = True,
    ) -> Sequence[WindowPair]:
        with self._open("predictions") as source:
            rows = source.keep("mirrored", source.asked_both(release_id, now))
            days = days_of(rows, time_zone, each)
            return mirrored_sums(rows, days, alone=alone) if days else ()

    def unit_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.ibis_units import unit_windows

        with self._open("predictions", "metrics") as source:
            return unit_windows(source, release_id, metric, now, time_zone)

    def unit_history(
        self, model: str, metric: UnitMetric, *, before: Sequence[Day], then: Sequence[Day]
    ) -> UnitHistory:
        from tasks.telemetry.adapters.ibis_history import unit_history

        with self._open("predictions", "metrics", model=model) as source:
            return unit_history(source, model, metric, before, then)

    def missing_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.ibis_units import missing_windows

        with self._open("predictions", "metrics") as source:
            return missing_windows(source, release_id, metric, now, time_zone)

    def ratio_windows(
        self, release_id: str, metric: UnitRatio, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.ibis_ratios import ratio_windows

        with self._open("predictions", "metrics") as source:
            return ratio_windows(source, release_id, metric, now, time_zone)

    def assigned_windows(
        self, release_id: str, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.ibis_units import assigned_windows

        with self._open("predictions") as source:
            return assigned_windows(source, release_id, now, time_zone)

    def survey(
        self,
        model: str,
        *,
        release_id: str | None,
        since: datetime,
        now: datetime,
        horizon_hours: float,
    ) -> Survey:
        from tasks.telemetry.adapters.ibis_survey import survey

        with self._open("predictions", "outcomes", "metrics", "drops", model=model) as source:
            return survey(source, model, release_id, since, now, timedelta(hours=horizon_hours))

    def answered(self, model: str, version: str) -> Iterator[Answered]:
        with self._open("predictions", model=model) as source:
            rows = source.predictions
            given = rows.served | rows.reason.startswith(INSTEAD).fill_null(False)
            mine = (rows.model == model) & (rows.version == version) & is_answer(rows) & given
            first = first_of(rows.filter(mine), "id").order_by("at", "id")
            told = first.select("id", "unit", "at", "release", "step", "score")
            for batch in told.to_pyarrow().to_batches(max_chunksize=10_000):
                for row in batch.to_pylist():
                    yield Answered(**row | {"at": utc(row["at"])})

    def exposure(self, release_id: str, slow_ms: float | None = None) -> Exposure:
        with self._open("predictions") as source:
            rows = source.predictions
            mine = (rows.release == release_id) & (rows.arm == "candidate") & rows.served
            rows = rows.filter(mine)
            fault = ~is_answer(rows)
            if slow_ms is not None:
                fault = fault | is_slow(rows, slow_ms)
            found = answer(
                rows.aggregate(
                    n=rows.id.nunique(), first=rows.at.min(), fault=rows.at.min(where=fault)
                )
            )[0]
        return Exposure(
            requests=found["n"],
            first_at=found["first"] and utc(found["first"]),
            first_fault_at=found["fault"] and utc(found["fault"]),
        )

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
        since = now - timedelta(days=days + 2)
        with self._open("inputs", model=model) as source:
            rows = source.inputs
            recent = (rows.model == model) & (rows.at >= moment(since)) & (rows.at <= moment(now))
            rows = source.keep("varied", source.grouped(rows.filter(recent), columns, by))
            whole = closed_days(days_of(rows, time_zone), timedelta(0), now)[-days:]
            return variety(rows, whole) if whole else ()

    def served_faults(
        self, model: str, metric: str, *, since: datetime, now: datetime, slow_ms: float | None
    ) -> Counts:
        check_fault(metric, slow_ms)
        with self._open("predictions", model=model) as source:
            rows = source.predictions
            mine = rows.served & (rows.model == model)
            inside = (rows.at >= moment(since)) & (rows.at <= moment(now))
            rows = source.keep("served", first_of(rows.filter(mine & inside), "id"))
            fault = is_slow(rows, slow_ms) if slow_ms and metric == "slow" else ~is_answer(rows)
            sums = rows.aggregate(n=rows.count(), events=fault.sum().fill_null(0))
            return Counts.model_validate(answer(sums)[0])

    def bins(self, model: str, column: str | None, *, since: datetime, until: datetime) -> Bins:
        from tasks.telemetry.adapters.ibis_shapes import bins_of, kind_of

        with self._open(kind_of(column), model=model) as source:
            return bins_of(source, model, column, since, until)

    def histogram(self, model: str, bins: Bins, *, since: datetime, until: datetime) -> Histogram:
        from tasks.telemetry.adapters.ibis_shapes import histogram_of, kind_of

        with self._open(kind_of(bins.column), model=model) as source:
            return histogram_of(source, model, bins, since, until)

    def latency_counts(self, model: str, *, since: datetime, until: datetime) -> LogCounts:
        from tasks.telemetry.adapters.ibis_shapes import latency_counts

        with self._open("predictions", model=model) as source:
            return latency_counts(source, model, since, until)

    def sample(
        self, model: str, *, now: datetime, rows: int, since: datetime, horizon_hours: float
    ) -> Sequence[SampleRow]:
        horizon = timedelta(hours=horizon_hours)
        with self._open("predictions", "outcomes", "inputs", model=model) as source:
            served = source.served(model, since, now - horizon)
            expression = labelled(served, source.labels(now), horizon)
            found = answer(newest(expression, rows))
        return tuple(sample_row(row) for row in found)

    @contextmanager
    def _open(self, *kinds: str, model: str | None = None) -> Iterator[Source]:
        """A connection of its own for each question, or for those of one look.

        ``model``: rows of others are not asked for, and need not be kept.
        """
        if self.reading is not None:
            yield self.reading
            return
        import duckdb
        import ibis
        from ibis.common.exceptions import IbisError

        con = ibis.duckdb.connect()
        try:
            con.raw_sql("SET TimeZone = 'UTC'")
            tables = Tables(lambda kind: load(con, self.spool, kind, model))
            for kind in kinds:
                tables[kind]
            yield Source(con, tables)
        except (duckdb.IOException, FileNotFoundError, PermissionError) as error:
            raise UnavailableError(
                f"The spool {self.spool} cannot be read.", advice="Is the gateway's disk there?"
            ) from error
        except (duckdb.Error, IbisError) as error:
            raise RefusedError(
                f"The spool {self.spool} holds lines that cannot be read: {error}",
                advice="Move the damaged file away; what it held counts as missing.",
            ) from error
        finally:
            con.disconnect()


def newest(rows: Any, count: int) -> Any:
    import ibis

    return rows.order_by([ibis.desc("at"), ibis.desc("id")]).limit(count)


def sample_row(row: dict[str, Any]) -> SampleRow:
    import json

    inputs = row["inputs"]  # JSON text in the spool, columns in a table of one's own
    told = json.loads(inputs) if isinstance(inputs, str) else inputs
    return SampleRow(inputs=told, label=row["label"], at=utc(row["at"]))
