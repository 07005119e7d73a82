"""Decisions are numbered without gaps, listed, and say what was weighed."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


def test_numbers_have_no_gap_and_the_index_lists_them() -> None:
    """A decision cannot be lost or counted twice."""
    assert [page.name[:4] for page in PAGES] == [f"{n:04}" for n in range(1, len(PAGES) + 1)]
    index = (FOLDER / "README.md").read_text()
    assert [page.name for page in PAGES if page.name not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_page_gives_context_options_and_outcome(page: Path) -> None:
    """A reader years later sees why, and what else there was."""
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]} ")
    for heading in ("## Context", "## Options", "## Outcome"):
        assert f"\n{heading}\n" in text
