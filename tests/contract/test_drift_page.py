"""The drift page: one file that people can open anywhere."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from policies.errors import EvidenceError, RefusedError
from tasks.evaluation.adapters.evidently import MAX_ROWS, EvidentlyDriftPage, _thin


def sample(shift: float, n: int = 300) -> list[dict[str, Any]]:
    rng = random.Random(7)
    return [
        {
            "temp": rng.gauss(shift, 1),
            "hour": rng.randrange(24),
            "dest": rng.choice(["ATL", "BOS"]),
            "rain": None if i % 3 else 0.1,
            "night": rng.random() < 0.5,
        }
        for i in range(n)
    ]


def test_empty_samples_are_errors(tmp_path: Path) -> None:
    """Nothing against something is no comparison."""
    for reference, current in (([], sample(0)), (sample(0), []), ([{"a": 1}], [{"b": 1}])):
        with pytest.raises(EvidenceError):
            EvidentlyDriftPage().draw(reference, current, tmp_path / "drift.html")


def test_the_page_is_written_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """The page opens without a network: no script, style or image has an outside address."""
    page = EvidentlyDriftPage().draw(sample(0), sample(2), tmp_path / "new" / "drift.html")
    text = page.read_text()
    assert "<html" in text
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', text)


def test_large_samples_are_thinned_evenly() -> None:
    """A page for people is drawn from at most 2,000 rows spread over the whole sample."""
    thin = _thin([{"i": i} for i in range(5001)])
    assert len(thin) <= MAX_ROWS
    assert thin[0]["i"] == 0
    assert thin[-1]["i"] > 4990


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The vendor's error does not leave the adapter."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RefusedError):
        EvidentlyDriftPage().draw(sample(0), sample(0), tmp_path / "file" / "drift.html")
