"""A closed spool file as Parquet: about ten times smaller, and whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from policies.errors import RefusedError

_TEXT, _WHOLE, _NUMBER, _YES_NO = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"
COLUMNS: dict[str, dict[str, str]] = {
    "predictions": {
        "at": _TEXT,
        "model": _TEXT,
        "release": _TEXT,
        "step": _TEXT,
        "revision": _WHOLE,
        "weight_bp": _WHOLE,
        "id": _TEXT,
        "unit": _TEXT,
        "segment": _TEXT,
        "region": _TEXT,
        "arm": _TEXT,
        "version": _TEXT,
        "served": _YES_NO,
        "score": _NUMBER,
        "error": _TEXT,
        "latency_ms": _NUMBER,
        "reason": _TEXT,
        "replica": _TEXT,
    },
    "inputs": {"at": _TEXT, "model": _TEXT, "id": _TEXT, "inputs": _TEXT},  # inputs: JSON text
    "outcomes": {"at": _TEXT, "model": _TEXT, "id": _TEXT, "label": _NUMBER},
    "metrics": {"at": _TEXT, "model": _TEXT, "id": _TEXT, "metric": _TEXT, "value": _NUMBER},
    "drops": {
        "at": _TEXT,
        "until": _TEXT,
        "model": _TEXT,
        "release": _TEXT,
        "step": _TEXT,
        "kind": _TEXT,
        "lines": _WHOLE,
        "replica": _TEXT,
    },
}


def to_parquet(kind: str, source: Path) -> Path:
    """Write ``<stem>.parquet`` beside ``source``; a torn last line is left out.

    ``RefusedError`` where other lines are none. Done again it writes the same file, so a process
    that died in between harms nothing. The lines are never read in Python, which would keep
    requests waiting for the interpreter.
    """
    with _whole_lines(source) as whole:
        target = source.with_suffix(".parquet")
        temporary = target.with_suffix(".part")
        _copy(kind, whole, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())  # before the text goes: a machine that stops loses neither
    temporary.replace(target)
    return target


@contextlib.contextmanager
def _whole_lines(source: Path) -> Iterator[Path]:
    """The file itself, where its last line is whole; else a copy without that."""
    content = source.read_bytes()
    if content[-1:] in (b"", b"\n"):
        yield source
        return
    with TemporaryDirectory(prefix="seatrial-") as folder:
        copy = Path(folder) / source.name
        copy.write_bytes(content[: content.rfind(b"\n") + 1])
        yield copy


def _copy(kind: str, whole: Path, target: Path) -> None:
    import duckdb

    con = duckdb.connect(config={"threads": 1, "memory_limit": "512MB"})
    try:
        lines = con.read_json(str(whole), columns=COLUMNS[kind], format="newline_delimited")
        lines.write_parquet(str(target), compression="zstd")
    except duckdb.Error as error:
        raise RefusedError(
            f"{whole.name} cannot become Parquet: {error}",
            advice="It stays as it is. Move it away when it is damaged: it then counts as missing.",
        ) from error
    finally:
        con.close()
