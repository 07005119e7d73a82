"""The spool: what was flushed is on file, nothing twice, and old files become Parquet."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from deployments.gateway.parquet import to_parquet
from deployments.gateway.spool import Spool


def spool(root: Path, **changes: Any) -> Spool:
    options = {"rotate_seconds": 60.0, "rotate_bytes": 10**9, "limit": 10_000} | changes
    return Spool(root, "g1", **options)


def outcome(number: int) -> dict[str, Any]:
    return {"at": "2013-05-01T00:00:00.000000+00:00", "model": "m", "id": f"{number}", "label": 1.0}


def text_lines(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / "outcomes").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_flushed_lines_are_on_file_in_order(tmp_path: Path) -> None:
    writer = spool(tmp_path)
    for number in range(500):
        writer.append("outcomes", [outcome(number)])
    assert writer.flush()
    assert text_lines(tmp_path) == [outcome(number) for number in range(500)]
    assert [path.name for path in (tmp_path / "outcomes").iterdir()] == [
        "outcomes-g1-00000001.jsonl"
    ]
    writer.close()


def test_a_full_file_becomes_parquet_and_no_line_is_lost(tmp_path: Path) -> None:
    """Readers take a Parquet file for the text file of the same stem: together, all lines once."""
    writer = spool(tmp_path, rotate_bytes=2_000)
    for number in range(200):
        writer.append("outcomes", [outcome(number)])
        if number % 20 == 0:
            writer.flush()
    writer.close()
    folder = tmp_path / "outcomes"
    tables = {path.stem: path for path in folder.glob("*.parquet")}
    assert tables
    ids = [
        i for path in tables.values() for i in pyarrow.parquet.read_table(path)["id"].to_pylist()
    ]
    rest = [path for path in folder.glob("*.jsonl") if path.stem not in tables]
    ids += [json.loads(line)["id"] for path in rest for line in path.read_text().splitlines()]
    assert sorted(ids, key=int) == [str(number) for number in range(200)]


def test_a_new_process_leaves_old_files_alone(tmp_path: Path) -> None:
    """The same name started again: a new number, and what was left becomes Parquet."""
    for number in range(2):
        writer = spool(tmp_path)
        writer.append("outcomes", [outcome(number)])
        writer.flush()
        time.sleep(0.05)
        writer.close()
    names = sorted(path.name for path in (tmp_path / "outcomes").iterdir())
    assert "outcomes-g1-00000002.jsonl" in names
    assert len(text_lines(tmp_path)) == 2


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    writer = spool(tmp_path, limit=10)
    writer.append("outcomes", [outcome(number) for number in range(25)])
    writer.flush()
    assert writer.dropped == 15
    assert len(text_lines(tmp_path)) == 10
    writer.close()


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "inputs-g1-00000001.jsonl"
    line = {"at": "t", "model": "m", "id": "1", "inputs": {"x": 1, "y": None}}
    file.write_text(json.dumps(line) + "\n" + json.dumps(line)[:20])
    table = pyarrow.parquet.read_table(to_parquet("inputs", file)).to_pylist()
    assert table == [{**line, "inputs": '{"x":1,"y":null}'}]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", ["predictions", "inputs", "outcomes"])
def test_an_empty_file_becomes_an_empty_table(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"{kind}-g1-00000001.jsonl"
    file.touch()
    assert pyarrow.parquet.read_table(to_parquet(kind, file)).num_rows == 0
