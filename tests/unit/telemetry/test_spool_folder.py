"""The spool folder as a reader finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.errors import UnavailableError
from tasks.telemetry.spool import files_of, whole_lines


def test_a_missing_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    """Without the folder nobody can say that nothing happened."""
    with pytest.raises(UnavailableError):
        files_of(tmp_path, "predictions")
    (tmp_path / "predictions").mkdir()
    assert files_of(tmp_path, "predictions") == ([], [])


def test_parquet_stands_for_the_text_of_the_same_stem(tmp_path: Path) -> None:
    """A closed file is read once; drafts and strangers are not read at all."""
    folder = tmp_path / "outcomes"
    folder.mkdir()
    for name in ("outcomes-a-1.jsonl", "outcomes-a-1.parquet", "outcomes-a-2.jsonl",
                 "outcomes-a-3.part", "notes.txt"):  # fmt: skip
        (folder / name).touch()
    text, parquet = files_of(tmp_path, "outcomes")
    assert [p.name for p in text] == ["outcomes-a-2.jsonl"]
    assert [p.name for p in parquet] == ["outcomes-a-1.parquet"]


@pytest.mark.parametrize(
    ("content", "whole"), [(b"", b""), (b"{}", b""), (b"{}\n", b"{}\n"), (b"{}\n{", b"{}\n")]
)
def test_a_torn_last_line_is_left_for_later(tmp_path: Path, content: bytes, whole: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    assert whole_lines(path) == whole
