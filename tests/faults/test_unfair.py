"""The demo's scenario about people, as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.connections import World
from tests.faults.stack_commands import alive, seatrial

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(1200)]
GAP = "quality · gap of physical_limitation yes"


def test_a_model_that_is_unfair_to_a_group_meets_nobody(tmp_path: Path) -> None:
    """Better for all together, stopped in the shadow by the gap, with its margin on every page."""
    home = tmp_path / "home"
    try:
        told = seatrial(home, "demo", "--scenario", "unfair", "--json", timeout=1000)
        assert told.code == 0, told.err
        (row,) = told.json
        assert (row["outcome"], row["stage"], row["exposed_requests"]) == (
            "rolled_back", "shadow", 0,
        )  # fmt: skip
        assert row["reason"].startswith(f"{GAP} is worse than 0.03 allows: effect +0.1")
        entries = World(home).ledger.entries(release_id=row["release_id"])
        look = [entry.payload for entry in entries if entry.kind == "looked"][-1]
        seen = {item["name"]: item for item in look["evidence"]}
        codes = {item["name"]: item["code"] for item in look["verdict"]["judged"]}
        assert (codes["quality"], codes[GAP]) == ("within_margin", "harm_proven")
        assert seen["quality"]["effect"] < -0.01
        assert seen[GAP]["margin"] == 0.1
        page = home / "documents" / row["release_id"] / "page.html"
        assert "leaves the group further behind" in page.read_text()
        assert "gap of physical_limitation yes" in seatrial(home, "why", row["release_id"]).out
    finally:
        seatrial(home, "down")
    assert alive(home) == []
