"""One look as a page."""

from __future__ import annotations

from policies.vocabulary import Entry
from tasks.documents.pages import evidence_table
from tasks.documents.tables import cell, markdown_table


def test_a_look_that_measured_nothing_says_so() -> None:
    """No evidence is shown as none, not as an empty success."""
    page = evidence_table(
        {
            "step": "shadow",
            "stage": "shadow",
            "look": 1,
            "evidence": [],
            "evidence_digest": "sha256:" + "0" * 64,
            "verdict": {
                "decision": "HOLD",
                "finding": "not enough evidence",
                "reason": "Nothing has been measured yet.",
            },
            "next_look": "2026-03-01T06:00:00+00:00",
        }
    )
    assert "# shadow · look 1 · HOLD" in page
    assert "Nothing was measured." in page
    assert "Next look 2026-03-01 06:00 UTC." in page


def test_the_verdict_comes_first(entries: list[Entry]) -> None:
    """A reader sees the decision and its reason before any number."""
    payload = next(entry.payload for entry in entries if entry.kind == "looked")
    page = evidence_table(payload)
    assert page.index("PASS") < page.index("All checks hold.") < page.index("| log loss |")


def test_cells_cannot_break_the_table() -> None:
    """Pipes, lines and HTML in a value stay in their cell."""
    table = markdown_table(("a", "b"), [("x|y\nz", "<b>")])
    assert table.splitlines()[2] == "| x\\|y z | &lt;b&gt; |"
    assert cell("`code` & more") == "'code' &amp; more"


def test_an_empty_table_is_nothing() -> None:
    """No header stands over no rows."""
    assert markdown_table(("a",), []) == ""
