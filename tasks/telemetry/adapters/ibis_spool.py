"""The spool's files as typed tables in an embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tasks.telemetry.spool import COLUMNS, files_of, whole_lines

IBIS_TYPES = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "boolean"}
TRIES = 3  # a text file may turn into Parquet between listing and reading


def load(con: Any, spool: Path, kind: str, model: str | None) -> Any:
    """One table of all files of a kind, in the connection's own memory."""
    for left in reversed(range(TRIES)):
        try:
            return _load(con, kind, *files_of(spool, kind), model=model)
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError("unreachable")


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
        typed = [_typed(part, kind) for part in parts] or [nothing(kind)]
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


def nothing(kind: str) -> Any:
    import ibis

    types = {name: IBIS_TYPES[word] for name, word in COLUMNS[kind].items()}
    return ibis.memtable([], schema={**types, "at": "timestamp"})
