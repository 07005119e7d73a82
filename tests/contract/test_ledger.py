"""Every ledger keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.errors import LedgerError, StaleMoveError
from policies.vocabulary import Entry, Lease
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.ledger.adapters.sql import SqlLedger
from tasks.ledger.ports import Ledger

WORLD = datetime(2013, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
WALL = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _memory(_folder: Path) -> Ledger:
    return MemoryLedger(clock=lambda: WALL)


def _sqlite(folder: Path) -> Ledger:
    return SqlLedger(folder / "ledger.db", clock=lambda: WALL)


@pytest.fixture(params=[_memory, _sqlite])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    make: Callable[[Path], Ledger] = request.param
    return make(tmp_path)


def fact(**changes: object) -> Entry:
    return Entry.model_validate({"kind": "alert", "actor": "gateway", "at": WORLD} | changes)


def move(kind: str, release_id: str = "r1", model: str = "m") -> Entry:
    return Entry(kind=kind, move=True, release_id=release_id, model=model, actor="run", at=WORLD)


def lease_for(ledger: Ledger, release_id: str = "r1", holder: str = "run") -> Lease:
    return ledger.take_lease(release_id, holder, WALL, MINUTE)


def test_an_empty_ledger_verifies_and_holds_nothing(ledger: Ledger) -> None:
    """Nothing recorded is not an error."""
    assert ledger.verify() == 0
    assert list(ledger.entries()) == []
    assert ledger.lease_of("r1") is None


def test_an_entry_comes_back_as_it_was_returned(ledger: Ledger) -> None:
    """What append returns, with seq, prev, hash and recorded_at, is what is read later."""
    payload = {"a": [1, 2.5, None, True], "nested": {"ü": "–"}, "large": 1e16, "when": WALL}
    first = ledger.append(fact(payload=payload))
    second = ledger.append(fact(release_id="r1", model="m"))
    assert (first.seq, second.seq) == (1, 2)
    assert second.prev == first.hash != ""
    assert first.recorded_at == WALL
    assert list(ledger.entries()) == [first, second]
    assert ledger.verify() == 2


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_times_survive_with_their_instant(ledger: Ledger, zone: str) -> None:
    """Microseconds and the instant survive, whatever the zone; times come back with one."""
    ledger.append(fact(at=WORLD.astimezone(ZoneInfo(zone))))
    (entry,) = ledger.entries()
    assert entry.at == WORLD
    assert entry.at.utcoffset() == timedelta(0)


def test_entries_are_filtered_and_in_order(ledger: Ledger) -> None:
    for release_id, model in [("r1", "m"), ("r2", "m"), ("r3", "n"), (None, "m"), (None, None)]:
        ledger.append(fact(release_id=release_id, model=model))
    assert [e.seq for e in ledger.entries(release_id="r2")] == [2]
    assert [e.seq for e in ledger.entries(model="m")] == [1, 2, 4]
    assert [e.seq for e in ledger.entries(model="m", after=1)] == [2, 4]
    assert [e.seq for e in ledger.entries(after=3)] == [4, 5]
    assert list(ledger.entries(release_id="r1", model="n")) == []
    assert list(ledger.entries(after=99)) == []


@pytest.mark.parametrize(
    "payload",
    [{"x": float("nan")}, {"x": float("inf")}, {"x": 2**53}, {"x": "\ud800"}, {"x": object()}],
    ids=["nan", "infinity", "inexact", "not text", "not JSON"],
)
def test_what_cannot_be_written_exactly_is_refused(
    ledger: Ledger, payload: dict[str, object]
) -> None:
    """A value is recorded as it is or not at all: never as null, never rounded."""
    with pytest.raises(LedgerError) as refusal:
        ledger.append(fact(payload=payload))
    assert refusal.value.advice
    assert ledger.verify() == 0


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="time zone"):
        ledger.append(fact(at=WORLD.replace(tzinfo=None)))
    with pytest.raises(LedgerError, match="time zone"):
        ledger.take_lease("r1", "run", WALL.replace(tzinfo=None), MINUTE)


def test_a_reader_cannot_change_the_record(ledger: Ledger) -> None:
    """Editing a payload that was read or passed in leaves the ledger as it is."""
    payload: dict[str, object] = {"n": 1}
    returned = ledger.append(fact(payload=payload))
    payload["n"] = 2
    returned.payload["n"] = 3
    next(iter(ledger.entries())).payload["n"] = 4
    assert next(iter(ledger.entries())).payload == {"n": 1}
    assert ledger.verify() == 1


def test_a_move_needs_the_lease_and_the_last_move(ledger: Ledger) -> None:
    lease = lease_for(ledger)
    opened = ledger.move(move("opened"), lease, after=0)
    ledger.append(fact(release_id="r1"))  # facts do not make a move stale
    entering = ledger.move(move("entering"), lease, after=opened.seq)
    assert [e.seq for e in ledger.entries(release_id="r1") if e.move] == [opened.seq, entering.seq]
    assert ledger.verify() == 3


@pytest.mark.parametrize("after", [0, 2, 99, -1])
def test_a_move_after_anything_but_the_last_move_is_stale(ledger: Ledger, after: int) -> None:
    """Whoever has not read the last move decides again; nothing was written."""
    lease = lease_for(ledger)
    ledger.move(move("opened"), lease, after=0)
    ledger.append(fact(release_id="r1"))
    with pytest.raises(StaleMoveError):
        ledger.move(move("entering"), lease, after=after)
    assert ledger.verify() == 2


def test_a_lease_that_was_taken_over_moves_nothing(ledger: Ledger) -> None:
    """Of a zombie run and the run that took over, only the latter moves."""
    old = lease_for(ledger, holder="zombie")
    new = lease_for(ledger, holder="heir")
    assert new.epoch == old.epoch + 1
    with pytest.raises(StaleMoveError, match="heir"):
        ledger.move(move("opened"), old, after=0)
    with pytest.raises(StaleMoveError):
        ledger.renew(old, WALL, MINUTE)
    assert ledger.move(move("opened"), new, after=0).seq == 1


def test_a_lease_nobody_gave_moves_nothing(ledger: Ledger) -> None:
    forged = Lease(release_id="r1", epoch=1, holder="x", expires_at=WALL)
    with pytest.raises(StaleMoveError):
        ledger.move(move("opened"), forged, after=0)
    with pytest.raises(StaleMoveError):
        ledger.renew(forged, WALL, MINUTE)


def test_a_lease_of_another_release_moves_nothing(ledger: Ledger) -> None:
    lease = lease_for(ledger, "r2")
    with pytest.raises(LedgerError):
        ledger.move(move("opened", "r1"), lease, after=0)
    assert ledger.verify() == 0


def test_renewing_extends_and_keeps_the_epoch(ledger: Ledger) -> None:
    lease = lease_for(ledger)
    later = ledger.renew(lease, WALL + MINUTE, MINUTE)
    assert (later.epoch, later.expires_at) == (lease.epoch, WALL + 2 * MINUTE)
    assert ledger.lease_of("r1") == later


def test_one_live_release_a_model(ledger: Ledger) -> None:
    """A second release of a model opens only when the first is closed; another model's may."""
    first, second = lease_for(ledger, "r1"), lease_for(ledger, "r2")
    opened = ledger.move(move("opened", "r1"), first, after=0)
    with pytest.raises(LedgerError, match="r1") as refusal:
        ledger.move(move("opened", "r2"), second, after=0)
    assert not isinstance(refusal.value, StaleMoveError)
    ledger.move(move("opened", "r3", model="other"), lease_for(ledger, "r3"), after=0)
    ledger.append(fact(kind="closed", release_id="r1", model="m"))  # a fact closes nothing
    with pytest.raises(LedgerError):
        ledger.move(move("opened", "r2"), second, after=0)
    ledger.move(move("closed", "r1"), first, after=opened.seq)
    assert ledger.move(move("opened", "r2"), second, after=0).release_id == "r2"


def test_a_release_opens_once(ledger: Ledger) -> None:
    lease = lease_for(ledger)
    opened = ledger.move(move("opened"), lease, after=0)
    closed = ledger.move(move("closed"), lease, after=opened.seq)
    with pytest.raises(LedgerError, match="opened before"):
        ledger.move(move("opened"), lease, after=closed.seq)


def test_moves_and_facts_are_not_confused(ledger: Ledger) -> None:
    """A move cannot slip in as a fact, nor a fact as a move."""
    with pytest.raises(LedgerError):
        ledger.append(move("promoted"))
    with pytest.raises(LedgerError):
        ledger.move(fact(release_id="r1", model="m"), lease_for(ledger), after=0)
    assert ledger.verify() == 0
