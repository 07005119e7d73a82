"""The packet of a risk review tells what has changed, from the ledger alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from policies.vocabulary import Entry
from tasks.documents.risk_packet import counts, risk_packet

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
TOLD: list[tuple[str, dict[str, Any]]] = [
    ("closed", {"outcome": "rolled_back", "stage": "canary 5 %", "reason": "<b>errors|worse</b>"}),
    ("incident", {"severity": "SEV2", "title": "delay v2 stopped", "reason": "errors"}),
    ("quarantined", {"ref": "delay v2", "reason": "errors"}),
    ("quarantine_lifted", {"ref": "delay v2", "reason": "a broken feed"}),
    ("kill", {}),
    ("alert", {"why": "No labels."}),
]


def entries(at: datetime) -> list[Entry]:
    return [
        Entry(seq=n, kind=kind, release_id="rel-1", model="delay", actor="a", at=at, payload=told)
        for n, (kind, told) in enumerate(TOLD)
    ]


def packet(found: list[Entry]) -> str:
    return risk_packet("delay", found, SINCE, "Due.", "medium", SINCE + timedelta(days=200))


def test_everything_that_changed_is_told() -> None:
    """Releases, incidents, quarantines, kills and alerts; no text breaks the table."""
    text = packet(entries(SINCE))
    for words in (
        "rel-1 rolled back at canary 5 %",
        "SEV2 delay v2 stopped",
        "delay v2 lifted",
        "killed: no reason on record",
        "No labels.",
        "its tier is **medium**",
    ):
        assert words in text
    assert "<b>" not in text and "errors|worse" not in text
    assert dict(counts(entries(SINCE), SINCE)) == {
        "Releases": "1", "Incidents": "1", "Quarantines": "1", "Kills": "1", "Alerts": "1",
    }  # fmt: skip


def test_what_was_before_the_last_review_is_not_told_again() -> None:
    """And that nothing happened is said for each kind, not left out."""
    text = packet(entries(SINCE - timedelta(days=1)))
    for words in (
        "Nothing was released",
        "No incident",
        "No files were",
        "Nobody took",
        "No alert",
    ):
        assert words in text
