"""Telemetry in the spool folder, summed where it lies: Ibis on an embedded DuckDB.

The spool holds JSON lines that are still being written and Parquet files that are complete; a
Parquet file stands for the text file of the same stem. Only group-by sums leave the engine;
rows leave it in ``sample`` alone. Local days are worked out here and joined as spans of UTC,
so no engine needs a time zone table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Counts, Moments, WindowPair
from tasks.telemetry.days import Day, closed_days, local_days
from tasks.telemetry.metrics import (
    ARMS,
    LEAST_PROBABILITY,
    UNMIRRORED,
    check_fault,
    check_loss,
)
from tasks.telemetry.ports import Coverage, Exposure, SampleRow, Survey, UnitMetric, Variety
from tasks.telemetry.spool import COLUMNS, files_of, whole_lines

IBIS_TYPES = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "boolean"}
TRIES = 3  # a text file may turn into Parquet between listing and reading


@dataclass(frozen=True)
class IbisTelemetry:
    spool: Path
    reading: _Source | None = field(default=None, kw_only=True)  # of the look under way

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
            coverage = _coverage(rows, pairs, now, horizon)
            days = closed_days(_days(pairs, time_zone), horizon, now)
            if not days:
                return (), coverage
            return _paired_sums(pairs.filter(pairs.label.notnull()), metric, days), coverage

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
            days = closed_days(_days(rows, time_zone), horizon, now)
            if not days:
                return {}
            return _segment_sums(rows.filter(rows.label.notnull()), metric, days)

    def live_windows(
        self, release_id: str, metric: str, *, now: datetime, time_zone: str, slow_ms: float | None
    ) -> Sequence[WindowPair]:
        check_fault(metric, slow_ms)
        with self._open("predictions") as source:
            rows = source.release(release_id, now)
            counted = (rows.arm == "champion") | ((rows.arm == "candidate") & rows.served)
            rows = source.keep(
                "live", _first(rows.filter(counted & (rows.weight_bp > 0)), "id", "arm")
            )
            days = _days(rows, time_zone)
            return _live_sums(rows, slow_ms if metric == "slow" else None, days) if days else ()

    def unit_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        from tasks.telemetry.adapters.ibis_units import unit_windows

        with self._open("predictions", "metrics") as source:
            return unit_windows(source, release_id, metric, now, time_zone)

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

        with self._open("predictions", "outcomes", "metrics", model=model) as source:
            return survey(source, model, release_id, since, now, timedelta(hours=horizon_hours))

    def exposure(self, release_id: str, slow_ms: float | None = None) -> Exposure:
        with self._open("predictions") as source:
            rows = source.predictions
            mine = (rows.release == release_id) & (rows.arm == "candidate") & rows.served
            rows = rows.filter(mine)
            fault = ~_is_answer(rows)
            if slow_ms is not None:
                fault = fault | _is_slow(rows, slow_ms)
            found = _answer(
                rows.aggregate(
                    n=rows.id.nunique(), first=rows.at.min(), fault=rows.at.min(where=fault)
                )
            )[0]
        return Exposure(
            requests=found["n"],
            first_at=found["first"] and _utc(found["first"]),
            first_fault_at=found["fault"] and _utc(found["fault"]),
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
            recent = (rows.model == model) & (rows.at >= _moment(since)) & (rows.at <= _moment(now))
            rows = source.keep("varied", source.grouped(rows.filter(recent), columns, by))
            whole = closed_days(_days(rows, time_zone), timedelta(0), now)[-days:]
            return _variety(rows, whole) if whole else ()

    def served_faults(
        self, model: str, metric: str, *, since: datetime, now: datetime, slow_ms: float | None
    ) -> Counts:
        check_fault(metric, slow_ms)
        with self._open("predictions", model=model) as source:
            rows = source.predictions
            mine = rows.served & (rows.model == model)
            inside = (rows.at >= _moment(since)) & (rows.at <= _moment(now))
            rows = source.keep("served", _first(rows.filter(mine & inside), "id"))
            fault = _is_slow(rows, slow_ms) if slow_ms and metric == "slow" else ~_is_answer(rows)
            sums = rows.aggregate(n=rows.count(), events=fault.sum().fill_null(0))
            return Counts.model_validate(_answer(sums)[0])

    def sample(
        self, model: str, *, now: datetime, rows: int, since: datetime, horizon_hours: float
    ) -> Sequence[SampleRow]:
        horizon = timedelta(hours=horizon_hours)
        with self._open("predictions", "outcomes", "inputs", model=model) as source:
            served = source.served(model, since, now - horizon)
            expression = _labelled(served, source.labels(now), horizon)
            found = _answer(_newest(expression, rows))
        return tuple(_sample_row(row) for row in found)

    @contextmanager
    def _open(self, *kinds: str, model: str | None = None) -> Iterator[_Source]:
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
            tables = _Tables(lambda kind: self._load(con, kind, model))
            for kind in kinds:
                tables[kind]
            yield _Source(con, tables)
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

    def _load(self, con: Any, kind: str, model: str | None) -> Any:
        """One table of all files of a kind, in the connection's own memory."""
        for left in reversed(range(TRIES)):
            try:
                return _load(con, kind, *files_of(self.spool, kind), model=model)
            except FileNotFoundError:
                if not left:
                    raise
        raise AssertionError("unreachable")


class _Tables(dict[str, Any]):
    """Tables by kind, loaded when they are first asked for."""

    def __init__(self, load: Callable[[str], Any]) -> None:
        super().__init__()
        self._load = load

    def __missing__(self, kind: str) -> Any:
        self[kind] = self._load(kind)
        return self[kind]


@dataclass(frozen=True)
class _Source:
    """The loaded tables of one question, or of one look."""

    con: Any
    tables: dict[str, Any]
    kept: dict[object, Any] = field(default_factory=dict)

    @property
    def predictions(self) -> Any:
        return self.tables["predictions"]

    @property
    def inputs(self) -> Any:
        return self.tables["inputs"]

    def pairs(self, release_id: str, now: datetime, horizon: timedelta) -> Any:
        """Rows of a release that both scored, with their labels; computed once a reading."""
        asked = (release_id, now, horizon)
        if asked not in self.kept:
            rows = _pairs(self.release(release_id, now))
            self.kept[asked] = self.keep("pairs", _labelled(rows, self.labels(now), horizon))
        return self.kept[asked]

    def release(self, release_id: str, now: datetime) -> Any:
        rows = self.predictions
        return rows.filter((rows.release == release_id) & (rows.at <= _moment(now)))

    def labels(self, now: datetime) -> Any:
        """The first label of each row; later ones never replace it."""
        rows = self.tables["outcomes"]
        known = _first(rows.filter(rows.label.notnull() & (rows.at <= _moment(now))), "model", "id")
        return known.select("model", "id", "label", labelled_at=known.at)

    def carried(self, requests: Any, columns: Sequence[str]) -> Any:
        """One row for each request and column: the value it carried, as text; nulls left out."""
        import ibis

        rows = _first(requests, "model", "id")
        parts = []
        for name in columns:
            value = rows.inputs.cast("json")[name]
            text = ibis.coalesce(value.str, value.cast("string"))
            part = rows.select("model", "id", "at", column=ibis.literal(name), value=text)
            parts.append(part.filter(part.value.notnull() & (part.value != "null")))
        return ibis.union(*parts) if len(parts) > 1 else parts[0]

    def grouped(self, requests: Any, columns: Sequence[str], by: str | None) -> Any:
        """What each request carried, with the group it belongs to; without one: no value."""
        import ibis

        rows = self.carried(requests, columns)
        if by is None:
            return rows.mutate(group=ibis.literal(""))
        groups = self.carried(requests, [by]).select("model", "id", group="value")
        return rows.join(groups, ["model", "id"])

    def served(self, model: str, since: datetime, until: datetime) -> Any:
        rows, inputs = self.predictions, self.inputs
        wanted = rows.served & (rows.model == model)
        inside = (rows.at >= _moment(since)) & (rows.at <= _moment(until))
        seen = _first(rows.filter(wanted & inside), "id").select("model", "id", "at")
        known = _first(inputs.filter(inputs.model == model), "id").select("id", "inputs")
        return seen.join(known, "id")

    def keep(self, name: str, expression: Any) -> Any:
        """Computed once: several sums are taken of it."""
        self.kept[name] = number = self.kept.get(name, 0) + 1
        return self.con.create_table(f"{name}_{number}", expression, temp=True)


def _load(
    con: Any, kind: str, text: Sequence[Path], parquet: Sequence[Path], *, model: str | None
) -> Any:
    import ibis

    parts = []
    with TemporaryDirectory(prefix="seatrial-") as folder:
        snapshot = Path(folder) / "lines.jsonl"
        with snapshot.open("wb") as target:
            target.writelines(whole_lines(path) for path in text)
        if snapshot.stat().st_size:
            parts.append(con.read_json(snapshot, columns=COLUMNS[kind], format="newline_delimited"))
        if parquet:
            parts.append(con.read_parquet([str(p) for p in parquet], union_by_name=True))
        typed = [_typed(part, kind) for part in parts] or [_nothing(kind)]
        if model is not None:
            typed = [part.filter(part.model == model) for part in typed]
        return con.create_table(kind, ibis.union(*typed) if len(typed) > 1 else typed[0], temp=True)


def _typed(table: Any, kind: str) -> Any:
    import ibis

    columns = {
        name: (table[name] if name in table.columns else ibis.null()).cast(IBIS_TYPES[word])
        for name, word in COLUMNS[kind].items()
    }
    at = columns.pop("at").cast("timestamp('UTC')").cast("timestamp")
    return table.select(at=at, **columns)


def _nothing(kind: str) -> Any:
    import ibis

    types = {name: IBIS_TYPES[word] for name, word in COLUMNS[kind].items()}
    return ibis.memtable([], schema={**types, "at": "timestamp"})


def _first(rows: Any, *keys: str) -> Any:
    """The earliest event for each key: repeated lines are one event."""
    import ibis

    order = [rows.at, *([rows.step] if "step" in rows.columns else [])]
    number = ibis.row_number().over(group_by=[rows[key] for key in keys], order_by=order)
    numbered = rows.mutate(number=number)
    return numbered.filter(numbered.number == 0).drop("number")


def _is_answer(rows: Any) -> Any:
    """An answer is a probability; anything else was none (NaN is above every number here)."""
    return (rows.error.isnull() & rows.score.notnull() & rows.score.between(0.0, 1.0)).fill_null(
        False
    )


def _pairs(rows: Any) -> Any:
    """Rows that both scored, each once; at the time and step of the earlier score."""
    import ibis

    scored = _first(rows.filter(rows.arm.isin(ARMS) & _is_answer(rows)), "id", "arm")
    champion, candidate = (scored.filter(scored.arm == arm) for arm in ARMS)
    candidate = candidate.select("id", other_at="at", other_step="step", candidate="score")
    both = champion.join(candidate, "id")
    early = both.at <= both.other_at
    return both.select(
        "id",
        "model",
        at=ibis.ifelse(early, both.at, both.other_at),
        step=ibis.ifelse(early, both.step, both.other_step),
        champion=both.score,
        candidate=both.candidate,
    )


def _labelled(rows: Any, labels: Any, horizon: timedelta) -> Any:
    """Each row with its label, null where none arrived within the horizon.

    A label from before its row says nothing about it, and none that follows takes its place.
    """
    import ibis

    joined = rows.left_join(labels, ["model", "id"])
    in_time = joined.labelled_at.between(joined.at, joined.at + _span(horizon))
    label = ibis.ifelse(in_time, joined.label, ibis.null())
    return joined.select(*rows.columns, label=label)


def _coverage(rows: Any, pairs: Any, now: datetime, horizon: timedelta) -> Coverage:
    served = rows.filter(rows.served & rows.step.notin(UNMIRRORED))
    mature = pairs.at <= _moment(now) - horizon
    counts = _answer(
        pairs.aggregate(
            both=pairs.count(),
            mature=mature.sum().fill_null(0),
            labelled=(mature & pairs.label.notnull()).sum().fill_null(0),
        )
    )[0]
    return Coverage(served=_answer(served.aggregate(n=served.id.nunique()))[0]["n"], **counts)


def _days(rows: Any, time_zone: str) -> Sequence[Day]:
    edges = _answer(rows.aggregate(first=rows.at.min(), last=rows.at.max()))[0]
    if edges["first"] is None:
        return ()
    return local_days(_utc(edges["first"]), _utc(edges["last"]), time_zone)


def _by_day(rows: Any, days: Sequence[Day]) -> Any:
    import ibis

    spans = ibis.memtable(
        [{"start": _moment(start), "end": _moment(end)} for start, end in days],
        schema={"start": "timestamp", "end": "timestamp"},
    )
    return rows.join(spans, [rows.at >= spans.start, rows.at < spans.end])


def _loss(score: Any, label: Any, metric: str) -> Any:
    if metric == "brier":
        return (score - label) * (score - label)
    sure = score.clip(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return -(label * sure.ln() + (1.0 - label) * (1.0 - sure).ln())


def _paired_sums(pairs: Any, metric: str, days: Sequence[Day]) -> Sequence[WindowPair]:
    return tuple(_paired_window(row) for row in _answer(_sums(pairs, metric, days)))


def _sums(pairs: Any, metric: str, days: Sequence[Day], *by: str) -> Any:
    rows = _by_day(pairs, days)
    worse = _loss(rows.candidate, rows.label, metric) - _loss(rows.champion, rows.label, metric)
    rows = rows.mutate(worse=worse)
    keys = [*by, "start", "step"]
    sums = rows.group_by(keys).aggregate(
        n=rows.count(), mean=rows.worse.mean(), variance=rows.worse.var(how="pop")
    )
    return sums.order_by(keys)


def _paired_window(row: dict[str, Any]) -> WindowPair:
    moments = Moments(n=row["n"], mean=row["mean"], m2=row["variance"] * row["n"])
    return WindowPair(start=_utc(row["start"]), step=row["step"], paired=moments)


def _segment_sums(
    pairs: Any, metric: str, days: Sequence[Day]
) -> Mapping[str, Sequence[WindowPair]]:
    found: dict[str, list[WindowPair]] = {}
    for row in _answer(_sums(pairs, metric, days, "segment")):
        found.setdefault(row["segment"], []).append(_paired_window(row))
    return found


def _variety(rows: Any, days: Sequence[Day]) -> Sequence[Variety]:
    rows = _by_day(rows, days)
    counts = rows.group_by(["column", "start"])
    found = counts.aggregate(
        n=rows.count(),
        distinct=(rows.group + "\n" + rows.value).nunique(),
        groups=rows.group.nunique(),
    )
    return tuple(
        Variety(
            column=r["column"],
            start=_utc(r["start"]),
            n=r["n"],
            distinct=r["distinct"],
            groups=r["groups"],
        )
        for r in _answer(found.order_by(["column", "start"]))
    )


def _live_sums(rows: Any, slow_ms: float | None, days: Sequence[Day]) -> Sequence[WindowPair]:
    rows = _by_day(rows, days)
    fault = ~_is_answer(rows) if slow_ms is None else _is_slow(rows, slow_ms)
    sums = rows.mutate(fault=fault).group_by(["start", "step"])
    counts = {}
    for arm in ARMS:
        counts[f"{arm}_n"] = (rows.arm == arm).sum()
        counts[f"{arm}_events"] = ((rows.arm == arm) & fault).sum()
    found = _answer(sums.aggregate(**counts).order_by(["start", "step"]))
    return tuple(
        WindowPair(
            start=_utc(row["start"]),
            step=row["step"],
            champion=Counts(n=row["champion_n"], events=row["champion_events"]),
            candidate=Counts(n=row["candidate_n"], events=row["candidate_events"]),
        )
        for row in found
    )


def _is_slow(rows: Any, slow_ms: float) -> Any:
    return rows.latency_ms.isnull() | (rows.latency_ms > slow_ms)


def _newest(rows: Any, count: int) -> Any:
    import ibis

    return rows.order_by([ibis.desc("at"), ibis.desc("id")]).limit(count)


def _sample_row(row: dict[str, Any]) -> SampleRow:
    import json

    inputs = row["inputs"]  # JSON text in the spool, columns in a table of one's own
    told = json.loads(inputs) if isinstance(inputs, str) else inputs
    return SampleRow(inputs=told, label=row["label"], at=_utc(row["at"]))


def _answer(expression: Any) -> list[dict[str, Any]]:
    return list(expression.to_pyarrow().to_pylist())


def _span(length: timedelta) -> Any:
    import ibis

    return ibis.interval(microseconds=length // timedelta(microseconds=1))


def _moment(at: datetime) -> datetime:
    """Engines keep UTC without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
