"""A kill that the ledger could not take at once: nothing of it is lost, and nothing is doubled."""

from __future__ import annotations

import fcntl
import json
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.control import switch
from deployments.control.journal import Reconciled, journal_of
from policies.errors import UnavailableError
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


def test_what_the_ledger_takes_at_once_is_recorded_once(world: World) -> None:
    switch.kill(world, "m", None, "drill", "ann")
    assert Reconciled(world)() == []
    assert kinds(world) == [("kill", "baseline", False)]


def test_a_kill_given_and_lifted_while_the_ledger_was_away_is_recorded_later(world: World) -> None:
    """With its own time, person and reason, in order, once; then the journal is empty."""
    ledger = world.ledger
    assert isinstance(ledger, AwayLedger)
    ledger.away = True
    before = world.clock.now("m")
    assert switch.kill(world, "m", "error", "wrong answers", "ann").unrecorded
    assert switch.restore(world, "m", "the feed is back", "ben").unrecorded
    reconciled = Reconciled(world)
    with pytest.raises(UnavailableError):
        reconciled()
    ledger.away = False
    assert len(reconciled()) == 2
    assert kinds(world) == [("kill", "error", True), ("restore", None, True)]
    killed, restored = world.ledger.entries()
    assert (killed.actor, killed.payload["reason"]) == ("ann", "wrong answers")
    assert before <= killed.at <= restored.at
    assert reconciled() == []
    assert (world.home.path / "switch-journal.jsonl").read_text() == ""


def test_a_command_that_was_killed_after_the_switch_moved_is_recorded(world: World) -> None:
    """Its journal says only what was asked: the switch says that it was done."""
    long_ago = world.clock.now("m") - timedelta(minutes=5)
    journal_of(world).asked("kill", "m", "ann", "wrong answers", long_ago)
    world.router.kill("m", "error", "wrong answers", "ann")
    assert len(Reconciled(world)()) == 1
    assert kinds(world) == [("kill", "error", True)]


def test_a_command_that_moved_nothing_is_not_recorded(world: World) -> None:
    """Nor is one that is still under way."""
    now = world.clock.now("m")
    journal = journal_of(world)
    journal.asked("kill", "m", "ann", "wrong answers", now - timedelta(minutes=5))
    journal.asked("kill", "m", "ann", "wrong answers", now)
    assert Reconciled(world)() == []
    assert len(journal.unrecorded()) == 1
    assert kinds(world) == []


def test_a_torn_line_hides_no_other(world: World) -> None:
    journal = journal_of(world)
    id_ = journal.asked("kill", "m", "ann", "wrong answers", world.clock.now("m"))
    with (world.home.path / "switch-journal.jsonl").open("a") as file:
        file.write('{"id": "x", "asked": {"kin\n')
    journal.moved(id_, {"model": "m", "to": "error", "reason": "wrong answers"})
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
