"""The spool's files as typed tables in an embedded engine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from tasks.telemetry.spool import COLUMNS, files_of, whole_lines

IBIS_TYPES = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64", "BOOLEAN": "boolean"}
TIMES = {"at", "until"}


def load(con: Any, spool: Path, kind: str, model: str | None) -> Any:
    """One table of all files of a kind, in the connection's own memory."""
    import ibis

    text, parquet = files_of(spool, kind)
    parts = []
    with TemporaryDirectory(prefix="seatrial-") as folder:
        snapshot = Path(folder) / "lines.jsonl"
        with snapshot.open("wb") as target:
            parquet += [turned for path in text if (turned := _copy(path, target))]
        if snapshot.stat().st_size:
            parts.append(con.read_json(snapshot, columns=COLUMNS[kind], format="newline_delimited"))
        if parquet:
            parts.append(con.read_parquet([str(p) for p in parquet], union_by_name=True))
        typed = [_typed(part, kind) for part in parts] or [nothing(kind)]
        if model is not None:
            typed = [part.filter(part.model == model) for part in typed]
        return con.create_table(kind, ibis.union(*typed) if len(typed) > 1 else typed[0], temp=True)


def _copy(path: Path, target: IO[bytes]) -> Path | None:
    """Its whole lines; or the Parquet file that it has turned into since it was listed."""
    try:
        target.write(whole_lines(path))
    except FileNotFoundError:
        turned = path.with_suffix(".parquet")
        if turned.exists():
            return turned
        raise
    return None


def _typed(table: Any, kind: str) -> Any:
    import ibis

    columns = {
        name: (table[name] if name in table.columns else ibis.null()).cast(IBIS_TYPES[word])
        for name, word in COLUMNS[kind].items()
    }
    for name in TIMES & columns.keys():
        columns[name] = columns[name].cast("timestamp('UTC')").cast("timestamp")
    return table.select(**columns)


def nothing(kind: str) -> Any:
    import ibis

    types = {name: IBIS_TYPES[word] for name, word in COLUMNS[kind].items()}
    times = dict.fromkeys(TIMES & types.keys(), "timestamp")
    return ibis.memtable([], schema={**types, **times})
