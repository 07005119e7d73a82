"""What a home remembers of its processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from deployments.stack.processes import Roster, Started, uninterrupted
from policies.errors import RefusedError

ROW = Started("gateway", 4_000_000, 1.0, 80, ("SEATRIAL_PART", "gateway@/h"))


def test_a_roster_reads_back_what_was_written(tmp_path: Path) -> None:
    """One row a part: a new one takes the place of the old."""
    roster = Roster(tmp_path / "stack.json")
    assert roster.read() == {}
    roster.add(ROW)
    roster.add(Started("worker", 2, 1.0, None))
    newer = Started("gateway", 3, 2.0, 80, ROW.mark)
    roster.add(newer)
    assert roster.read() == {"gateway": newer, "worker": Started("worker", 2, 1.0, None)}


@pytest.mark.parametrize("text", ["{", "[1]", '[{"name": "x"}]', '{"a": 1}'])
def test_a_damaged_roster_is_not_an_empty_one(tmp_path: Path, text: str) -> None:
    """Else what runs would be started twice."""
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(RefusedError, match="damaged"):
        Roster(tmp_path / "stack.json").read()


def test_a_pid_given_to_somebody_else_is_not_ours() -> None:
    """Same pid, other start time: left alone."""
    assert Started("x", os.getpid(), 1.0, None).process() is None
    assert ROW.process() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    """A process that was started is also written down; then the command ends."""
    before = signal.getsignal(number)
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), number)
        done.append("written")
    assert (done, signal.getsignal(number)) == (["written"], before)
