"""A demo that is interrupted at sea, and run again on the same home."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from policies.vocabulary import Outcome
from tasks.connections import World
from tasks.ledger.record import live_releases, recall
from tests.faults.stack_commands import alive, begin, seatrial

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(900)]
SCENARIO, LOST = "unit_bug", "flight-delay-unit-bug"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_an_interrupted_demo_left_is_aborted_by_the_next(
    how: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C takes the stack along, a kill leaves it; either way the next run is not disturbed."""
    home = tmp_path / "home"
    try:
        _interrupt(home, how)
        assert (alive(home) == []) is (how is signal.SIGINT)
        ledger = World(home).ledger
        (lost,) = live_releases(ledger, LOST)
        again = seatrial(home, "demo", "--scenario", SCENARIO, "--json", timeout=500)
        assert again.code == 0, again.err
        assert f"{lost.release_id} of an interrupted demo is aborted" in again.err
        (row,) = again.json
        assert (row["outcome"], row["stage"]) == ("refused", "staging")
        assert row["release_id"] != lost.release_id
        _until(lambda: not live_releases(ledger))  # its run is woken by the watcher, and ends it
        closing = recall(ledger, lost.release_id).closing
        assert closing is not None and closing.outcome is Outcome.ABORTED
    finally:
        seatrial(home, "down")
    assert alive(home) == []


def _interrupt(home: Path, how: signal.Signals) -> None:
    """As soon as its release is on the ledger."""
    with home.with_name("said").open("wb") as said:
        demo = begin("demo", "--scenario", SCENARIO, home=home, told=said)
    _until(lambda: demo.poll() is not None or _at_sea(home))
    assert demo.poll() is None, home.with_name("said").read_text()
    demo.send_signal(how)
    demo.wait(timeout=120)


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not done():
        assert time.monotonic() < end, "not within 300 s"
        time.sleep(0.2)


def _at_sea(home: Path) -> bool:
    if not (home / "settings.json").exists() or not (home / "ledger.db").exists():
        return False
    return bool(live_releases(World(home).ledger, LOST))
