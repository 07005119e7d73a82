"""Telemetry in a team's own tables, told in Seatrial's columns by ``telemetry.yaml``.

The same questions and the same sums as over the spool: only how a table comes to be differs. A
mapped table is an expression over theirs; nothing is copied before it is filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.errors import AdapterError, RefusedError, UnavailableError
from policies.loader import LoadedMap
from policies.mapping import Table
from policies.vocabulary import Trial
from tasks.telemetry.adapters.ibis import IbisTelemetry
from tasks.telemetry.adapters.ibis_source import Source
from tasks.telemetry.adapters.ibis_spool import nothing
from tasks.telemetry.adapters.mapped_columns import map_columns
from tasks.telemetry.adapters.mapped_faults import faults_of

DUCKDB = "duckdb://"
EVERY = ("predictions", "outcomes", "metrics", "inputs", "drops")  # of drops nothing is known


@dataclass(frozen=True)
class MappedTelemetry(IbisTelemetry):
    """``spool`` is the folder that relative paths start from; it holds no spool.

    ``trials`` tells which release stood at which step when: rows whose table does not say so
    are placed by their model, version and time.
    """

    loaded: LoadedMap
    trials: Callable[[], Sequence[Trial]]

    @contextmanager
    def _open(self, *kinds: str, model: str | None = None) -> Iterator[Source]:
        if self.reading is not None:
            yield self.reading
            return
        import duckdb
        from ibis.common.exceptions import IbisError

        with self._engine() as con:
            try:
                tables = self._mapped(con)
                yield Source(con, tables)
            except AdapterError:
                raise
            except (duckdb.IOException, OSError) as error:
                raise UnavailableError(
                    f"The tables of {self.loaded.source} cannot be read: {_first_line(error)}",
                    advice="Are the files, or the database, still there?",
                ) from error
            except (IbisError, *_engine_errors()) as error:
                raise RefusedError(
                    f"The tables of {self.loaded.source} could not be summed: {_first_line(error)}",
                    advice="Run `seatrial doctor --telemetry`; check what the columns hold.",
                ) from error

    def _mapped(self, con: Any) -> dict[str, Any]:
        """Each kind as an expression; every fault of every table at once."""
        mapping = self.loaded.mapping
        tables: dict[str, Any] = {}
        faults: list[str] = []
        for kind, section in mapping.sections().items():
            try:
                tables[kind] = self._table(con, kind, section)
            except RefusedError as error:
                faults.append(str(error))
        for kind, table in tables.items():
            found = faults_of(mapping, kind, table)
            faults += [self.loaded.fault((kind, *where), what) for where, what in found]
        if faults:
            raise RefusedError(
                "\n".join([f"{len(faults)} fault(s) in the mapping of your tables:", *faults]),
                advice=f"Mend {self.loaded.source}, or the tables; then run "
                "`seatrial doctor --telemetry` again.",
            )
        mapped = map_columns(mapping, tables, self.trials)
        return {kind: mapped.get(kind, nothing(kind)) for kind in EVERY}

    def _table(self, con: Any, kind: str, section: Table) -> Any:
        if section.table is not None:
            return self._named(con, kind, section.table)
        return _files(con, self.spool, section)

    def _named(self, con: Any, kind: str, name: str) -> Any:
        from ibis.common.exceptions import TableNotFound

        try:
            return con.table(name)
        except TableNotFound as error:
            known = ", ".join(_tables(con)) or "none"
            what = f"there is no table {name}; there are: {known}."
            raise RefusedError(self.loaded.fault((kind, "table"), what)) from error

    @contextmanager
    def _engine(self) -> Iterator[Any]:
        con = self._connected()
        try:
            yield con
        finally:
            con.disconnect()

    def _connected(self) -> Any:
        """An engine of its own for files; else theirs, read only where it can be told so."""
        import ibis

        url = self.loaded.mapping.predictions.url
        try:
            if url is None:
                con = ibis.duckdb.connect()
            elif url.startswith(DUCKDB):
                path = self.spool / url.removeprefix(f"{DUCKDB}/").removeprefix(DUCKDB)
                con = ibis.duckdb.connect(path, read_only=True)
            else:
                con = ibis.connect(url)
            con.raw_sql("SET TimeZone = 'UTC'")
        except ImportError as error:
            raise RefusedError(
                f"The client library for {_kind(url)} is not installed.",
                advice=f"Install it beside Seatrial: pip install 'ibis-framework[{_kind(url)}]'.",
            ) from error
        except _engine_errors() as error:
            raise UnavailableError(
                f"The database of {self.loaded.source} does not answer: {_first_line(error)}",
                advice="Check url in the mapping, and that the database is there.",
            ) from error
        return con


def _tables(con: Any) -> list[str]:
    """Ibis 12 cannot list the tables of a DuckDB 2; the standard's own table can be asked."""
    asked = con.raw_sql("SELECT table_name FROM information_schema.tables ORDER BY table_name")
    return [str(row[0]) for row in asked.fetchall()]


Reader = Callable[[Any, Sequence[str]], Any]
_READERS: dict[str, Reader] = {
    "parquet": lambda con, files: con.read_parquet(files, union_by_name=True),
    "csv": lambda con, files: con.read_csv(files, union_by_name=True),
}


def _files(con: Any, start: Path, section: Table) -> Any:
    """A folder stands for all files in it. None at all is a lost source, never an empty one."""
    kind = "parquet" if section.parquet is not None else "csv"
    path = start / (section.parquet or section.csv or "")
    pattern = path / f"*.{kind}" if path.is_dir() else path
    found = sorted(pattern.parent.glob(pattern.name))
    if not found:
        raise UnavailableError(
            f"There are no files {pattern}.", advice=f"Check {kind} in the mapping, and the disk."
        )
    try:
        return _READERS[kind](con, [str(each) for each in found])
    except _engine_errors() as error:
        raise RefusedError(f"The files {pattern} cannot be read: {_first_line(error)}") from error


def _engine_errors() -> tuple[type[Exception], ...]:
    import duckdb

    return (duckdb.Error, OSError)


def _kind(url: str | None) -> str:
    return (url or "duckdb").partition(":")[0].replace("postgresql", "postgres")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
