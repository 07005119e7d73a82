from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.demo.world_clock import WorldClock
from tasks.orchestrator.clock import ReplayClock

MAY = datetime(2013, 5, 1, 4, tzinfo=UTC)


def test_a_clock_that_never_ticked_has_no_time(tmp_path: Path) -> None:
    """Nobody mistakes a world that has not begun for one that stands somewhere."""
    assert WorldClock(tmp_path / "m.json").read() is None


def test_the_rest_of_the_system_reads_what_the_replay_wrote(tmp_path: Path) -> None:
    """The release's clock and the replay's are the same file."""
    clock = WorldClock(tmp_path / "m.json", rate=3600.0)
    clock.tick(MAY)
    reader = ReplayClock(tmp_path)
    assert reader.now("m") == clock.read() == MAY
    assert reader.real_seconds_until("m", MAY + timedelta(hours=2)) == pytest.approx(2.0)
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


def test_every_tick_is_seen_at_once(tmp_path: Path) -> None:
    """Though a file that has not changed is not read again."""
    clock, reader = WorldClock(tmp_path / "m.json"), ReplayClock(tmp_path)
    assert reader.now("m").year > MAY.year
    for hours in (0, 1, 2, 9):
        clock.tick(MAY + timedelta(hours=hours))
        assert reader.now("m") == reader.now("m") == MAY + timedelta(hours=hours)
    (tmp_path / "m.json").unlink()
    assert reader.now("m").year > MAY.year


def test_the_rate_follows_the_steps(tmp_path: Path) -> None:
    """After many equal steps the rate is theirs, whatever was guessed at first."""
    clock = WorldClock(tmp_path / "m.json", rate=1.0)
    for _ in range(2000):
        clock.measure(timedelta(hours=1), 0.5)
    assert clock.rate == pytest.approx(7200.0, rel=1e-3)


def test_a_step_that_took_no_time_leaves_a_finite_rate(tmp_path: Path) -> None:
    """An empty hour does not make the world infinitely fast."""
    clock = WorldClock(tmp_path / "m.json")
    clock.measure(timedelta(hours=1), 0.0)
    assert 0.0 < clock.rate < 1e10
