"""The spool folder as a reader finds it: what is complete, what is still being written."""

from __future__ import annotations

from pathlib import Path

from policies.errors import UnavailableError

# Said aloud for every reader: a column that happens to be empty keeps its type.
COLUMNS = {
    "predictions": {
        "at": "VARCHAR", "model": "VARCHAR", "release": "VARCHAR", "step": "VARCHAR",
        "weight_bp": "BIGINT", "id": "VARCHAR", "unit": "VARCHAR", "arm": "VARCHAR",
        "version": "VARCHAR", "served": "BOOLEAN", "score": "DOUBLE", "error": "VARCHAR",
        "reason": "VARCHAR",
        "latency_ms": "DOUBLE",
    },
    "outcomes": {"at": "VARCHAR", "model": "VARCHAR", "id": "VARCHAR", "label": "DOUBLE"},
    "metrics": {
        "at": "VARCHAR", "model": "VARCHAR", "id": "VARCHAR", "metric": "VARCHAR",
        "value": "DOUBLE",
    },
    "inputs": {"at": "VARCHAR", "model": "VARCHAR", "id": "VARCHAR", "inputs": "VARCHAR"},
    "drops": {
        "at": "VARCHAR", "until": "VARCHAR", "model": "VARCHAR", "release": "VARCHAR",
        "step": "VARCHAR", "kind": "VARCHAR", "lines": "BIGINT",
    },
}  # fmt: skip


def files_of(spool: Path, kind: str) -> tuple[list[Path], list[Path]]:
    """Text files still open, and Parquet files. A missing folder is no empty folder."""
    folder = spool / kind
    if not folder.is_dir():
        raise UnavailableError(
            f"There is no spool folder {folder}.",
            advice="Start the gateway, or check --home: it creates the folder.",
        )
    # Text first: a file that turns into Parquet meanwhile is then seen as one or the other.
    text = sorted(folder.glob("*.jsonl"))
    parquet = sorted(folder.glob("*.parquet"))
    complete = {path.stem for path in parquet}
    return [path for path in text if path.stem not in complete], parquet


def whole_lines(path: Path) -> bytes:
    """What is complete of a file that may be written right now."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]
