"""The coverage page is honest about files: what it names exists, what works is proven."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATES = {"works", "first version", "missing"}
ROWS = [
    tuple(cell.strip() for cell in line.strip("|\n").split("|"))
    for line in (ROOT / "docs" / "coverage.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| Practice")
]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def holds_something(path: Path) -> bool:
    """A file, or a folder with a file in it."""
    return path.is_file() or any(
        found.is_file() and "__pycache__" not in found.parts for found in path.rglob("*")
    )


def test_every_row_is_whole() -> None:
    """Practice, place, proof and state; a practice is named once."""
    assert len(ROWS) > 100
    assert all(len(row) == 4 and row[3] in STATES for row in ROWS)
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_practice_has_its_files_and_its_proof(row: tuple[str, ...]) -> None:
    """What is built names its place and a test file; what is missing names neither."""
    _, place, proof, state = row
    assert [path for path in named(place + proof) if not holds_something(ROOT / path)] == []
    if state == "missing":
        assert not place and not proof
    else:
        assert named(place)
        tests = [Path(path) for path in named(proof)]
        assert tests and all(t.parts[0] == "tests" and t.name.startswith("test_") for t in tests)
