"""When a release stood at which step, as its entries tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from policies.vocabulary import Entry, Trial
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.ledger.record import trials

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CHAMPION = {"ref": {"model": "m", "version": "6"}, "digest": "sha256:" + "0" * 64}
MOVES: list[tuple[str, dict[str, Any]]] = [
    ("opened", {"version": "7", "champion": CHAMPION}),
    ("entering", {"step": {"name": "shadow"}, "plan": {"weight_bp": 0}}),
    ("entered", {}),
    ("entering", {"step": {"name": "canary 5 %"}, "plan": {"weight_bp": 500}}),
    ("entered", {}),
    ("looked", {}),
    ("containing", {}),
    ("closed", {}),
]


def told(moves: int) -> tuple[Trial, ...]:
    """The first moves of a release, an hour apart."""
    ledger = MemoryLedger()
    lease = ledger.take_lease("r1", "run", NOON, timedelta(days=9))
    last = 0
    for hour, (kind, payload) in enumerate(MOVES[:moves]):
        at = NOON + timedelta(hours=hour)
        entry = Entry(kind=kind, move=True, release_id="r1", model="m", actor="system:release",
                      at=at, payload=payload)  # fmt: skip
        last = ledger.move(entry, lease, after=last).seq
    return trials(ledger)


def test_a_step_lasts_from_its_intent_to_the_next() -> None:
    """Rows between the switch's move and its confirmation belong to the step they are served in."""
    shadow, canary = told(len(MOVES))
    assert (shadow.champion, shadow.candidate, shadow.weight_bp) == ("6", "7", 0)
    assert [(t.step, (t.start - NOON) / timedelta(hours=1)) for t in (shadow, canary)] == [
        ("shadow", 1), ("canary 5 %", 3)]  # fmt: skip
    assert shadow.end == canary.start
    assert canary.end == NOON + timedelta(hours=6)


def test_a_step_that_lasts_has_no_end() -> None:
    assert [t.end for t in told(5)] == [NOON + timedelta(hours=3), None]
    assert told(1) == ()
