"""A file of labelled rows is read as requests would carry them, or refused with every fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.signature import Column
from deployments.rehearsal.sample import Sample, as_type, read_sample
from policies.errors import RefusedError
from tests.unit.letters import LETTERS

COLUMNS = [
    Column("zip", "string"),
    Column("age", "long"),
    Column("income", "double"),
    Column("member", "boolean", required=False),
    Column("tags", "array", required=False),
]
ROW = {"zip": "01234", "age": 40, "income": 1.5, "member": True, "tags": ["a"], "label": 1}


def read(path: Path, limit: int = 10) -> Sample:
    return read_sample(path, "label", limit, COLUMNS, COLUMNS)


def refusal(path: Path) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(path)
    assert caught.value.advice
    return caught.value


@pytest.mark.parametrize("text", ["", "\n", "zip,age,income,label\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing seen is not nothing wrong."""
    path = tmp_path / "rows.csv"
    path.write_text(text)
    assert "no rows" in refusal(path).message


def test_text_is_typed_by_the_signature(tmp_path: Path) -> None:
    """A number that is a text keeps its zeros; gaps are null; other columns are named."""
    path = tmp_path / "rows.csv"
    path.write_text(
        'id,zip,age,income,member,tags,label\n7,01234,40,1.5,true,"[""a""]",1\n8,,41,,,,\n'
    )
    sample = read(path)
    first, second = sample.rows
    assert first.inputs == {name: value for name, value in ROW.items() if name != "label"}
    assert (first.label, second.label, sample.labelled) == (1.0, None, 1)
    assert second.inputs == {"zip": None, "age": 41, "income": None, "member": None, "tags": None}
    assert (sample.ignored, sample.has_more) == (("id",), False)


def test_a_large_file_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """What comes after the sample may be anything: it is not looked at."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(ROW)] * 11 + ["{this is no JSON"]))
    sample = read(path)
    assert (len(sample.rows), sample.has_more) == (10, True)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each fault with its count and first row, and no value: rows may be about people."""
    path = tmp_path / "rows.jsonl"
    rows: list[dict[str, Any]] = [
        {"zip": "1", "age": 1, "label": 0},
        {"zip": "1", "age": "Ann Lee", "label": "yes"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    told = refusal(path).message
    assert "income is missing in 2 of 2 rows, first in row 1" in told
    assert "age is not a whole number in 1 of 2 rows, first in row 2" in told
    assert "the label label is neither 0 nor 1 in 1 of 2 rows" in told
    assert "Ann Lee" not in told


@pytest.mark.parametrize("label", [2, 0.5, "1", -1])
def test_only_outcomes_are_labels(tmp_path: Path, label: object) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW | {"label": label}))
    assert "neither 0 nor 1" in refusal(path).message


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("rows.xlsx", "", "ends in .xlsx"),
        ("rows", "", "ends in nothing"),
        ("rows.jsonl", "[1]", "Line 1"),
        ("rows.jsonl", "\ufeff{", "Line 1"),
    ],
)
def test_what_is_no_sample_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert told in refusal(path).message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.csv").message


@given(
    st.text(LETTERS, max_size=8), st.sampled_from(["string", "long", "double", "boolean", "any"])
)
def test_a_cell_is_never_made_up(text: str, kind: str) -> None:
    """What does not fit its column stays the text it was, to be told as a fault."""
    value = as_type(text, kind)
    assert value == text if value is not None and text and not _reads(text) else True
    assert (value is None) == (text == "" or text.strip().lower().lstrip("+-") == "nan" or
                               (kind == "any" and text.strip() == "null"))  # fmt: skip


def _reads(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in ("true", "false")
    return True
