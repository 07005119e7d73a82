"""A kill that the ledger could not take at once: nothing of it is lost, and nothing is doubled."""

from __future__ import annotations

import fcntl
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.control import switch
from deployments.control.journal import Reconciled, journal_of
from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Entry, TrafficPlan
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger


class AwayLedger(MemoryLedger):
    """A shipped ledger that does not answer while ``away``."""

    away = False

    def append(self, fact: Entry) -> Entry:
        if self.away:
            raise UnavailableError("the disk is full", advice="Make room.")
        return super().append(fact)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.ledger = AwayLedger()
    world.router.apply(TrafficPlan(model="m", champion=None, baseline=0.2))
    return world


def kinds(world: World) -> list[tuple[str, object, bool]]:
    return [
        (entry.kind, entry.payload.get("to"), bool(entry.payload.get("late")))
        for entry in world.ledger.entries()
    ]


def reconciled(world: World) -> Reconciled:
    """As it is some minutes later: an act that is under way is its command's own to record."""
    return Reconciled(world, lambda: datetime.now(UTC) + timedelta(minutes=5))


def test_what_the_ledger_takes_at_once_is_recorded_once(world: World) -> None:
    switch.kill(world, "m", None, "drill", "ann")
    assert reconciled(world)() == []
    assert kinds(world) == [("kill", "baseline", False)]


def test_a_kill_given_and_lifted_while_the_ledger_was_away_is_recorded_later(world: World) -> None:
    """With its own time, person and reason, in order, once; then the journal is empty."""
    ledger = world.ledger
    assert isinstance(ledger, AwayLedger)
    ledger.away = True
    before = world.clock.now("m")
    assert switch.kill(world, "m", "error", "wrong answers", "ann").unrecorded
    assert switch.restore(world, "m", "the feed is back", "ben").unrecorded
    later = reconciled(world)
    with pytest.raises(UnavailableError):
        later()
    ledger.away = False
    assert len(later()) == 2
    assert kinds(world) == [("kill", "error", True), ("restore", None, True)]
    killed, restored = world.ledger.entries()
    assert (killed.actor, killed.payload["reason"]) == ("ann", "wrong answers")
    assert before <= killed.at <= restored.at
    assert later() == []
    assert (world.home.path / "switch-journal.jsonl").read_text() == ""


def test_a_command_that_was_killed_after_the_switch_moved_is_recorded(world: World) -> None:
    """Its journal says only what was asked: the switch says that it was done."""
    long_ago = world.clock.now("m") - timedelta(minutes=5)
    journal_of(world).asked("kill", "m", "ann", "wrong answers", long_ago)
    world.router.kill("m", "error", "wrong answers", "ann")
    assert len(reconciled(world)()) == 1
    assert kinds(world) == [("kill", "error", True)]


def test_a_restore_that_was_killed_after_the_switch_moved_is_recorded(world: World) -> None:
    journal_of(world).asked("restore", "m", "ben", "the feed is back", world.clock.now("m"))
    assert len(reconciled(world)()) == 1
    assert kinds(world) == [("restore", None, True)]


def test_a_command_that_moved_nothing_is_not_recorded(world: World) -> None:
    """Nor one that was refused, although the right one followed; nor one still under way."""
    journal = journal_of(world)
    journal.asked("kill", "m", "ann", "wrong answers", world.clock.now("m"))
    assert reconciled(world)() == []
    with pytest.raises(RefusedError):
        switch.kill(world, "m", "previuos", "typed wrongly", "ann")
    switch.kill(world, "m", "error", "wrong answers", "ann")
    assert reconciled(world)() == []
    assert kinds(world) == [("kill", "error", False)]
    journal.asked("kill", "m", "ben", "drill", world.clock.now("m"))
    assert Reconciled(world)() == []
    assert len(journal.unrecorded()) == 1


def test_what_is_on_record_is_not_recorded_again(world: World) -> None:
    """The journal could not take that it was: the ledger knows it by its id."""
    done = switch.kill(world, "m", "error", "wrong answers", "ann")
    path = world.home.path / "switch-journal.jsonl"
    lines = [line for line in path.read_text().splitlines() if "recorded" not in line]
    path.write_text("\n".join(lines) + "\n")
    assert done.unrecorded is None and len(journal_of(world).unrecorded()) == 1
    assert reconciled(world)() == []
    assert kinds(world) == [("kill", "error", False)]


def test_kills_that_come_together_are_all_kept(world: World) -> None:
    """Twenty at once, with the ledger away: each is recorded later."""
    ledger = world.ledger
    assert isinstance(ledger, AwayLedger)
    ledger.away = True
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: switch.kill(world, "m", "error", f"drill {n}", "ann"), range(20)))
    ledger.away = False
    assert len(reconciled(world)()) == 20


def test_a_journal_that_cannot_be_read_is_a_fault_and_no_crash(world: World) -> None:
    """Somebody holds it: told as unavailable, so that the watch goes on."""
    switch.kill(world, "m", None, "drill", "ann")
    with (world.home.path / "switch-journal.jsonl").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UnavailableError, match="cannot be read"):
            reconciled(world)()


def test_a_torn_line_hides_no_other(world: World) -> None:
    journal = journal_of(world)
    id_ = journal.asked("kill", "m", "ann", "wrong answers", world.clock.now("m"))
    with (world.home.path / "switch-journal.jsonl").open("a") as file:
        file.write('{"id": "x", "asked": {"kin\n')
    journal.moved(id_, {"model": "m", "to": "error", "reason": "wrong answers"})
    assert id_ in {act.id for act in journal.unrecorded()}
    assert [act.payload["to"] for act in journal.unrecorded() if act.payload] == ["error"]


def test_a_journal_that_somebody_holds_does_not_stop_a_kill(world: World) -> None:
    """Not even for a tenth of a second."""
    path = world.home.path / "switch-journal.jsonl"
    with path.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        switch.kill(world, "m", None, "drill", "ann")
    assert world.router.killed_to("m") == "baseline"
    assert path.read_text() == ""


def test_a_journal_that_cannot_be_written_does_not_stop_a_kill(world: World) -> None:
    """A folder stands where the file should: the switch moves, and the ledger has it."""
    (world.home.path / "switch-journal.jsonl").mkdir()
    switch.kill(world, "m", None, "drill", "ann")
    assert world.router.killed_to("m") == "baseline"
    assert kinds(world) == [("kill", "baseline", False)]
    assert json.loads(world.home.flags.read_text())
