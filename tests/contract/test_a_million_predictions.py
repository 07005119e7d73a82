"""A million lines of the log, through real files in every state, back as sums of windows."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deployments.gateway.spool import Spool
from policies.vocabulary import WindowPair
from tasks.telemetry.adapters.ibis import IbisTelemetry
from tasks.telemetry.ports import Logged

ROWS, LINES = 800_000, 1_000_000  # one row in four is scored by both
MODEL, RELEASE, ZONE = "m", "r1", "America/New_York"
START = datetime(2013, 5, 1, 4, tzinfo=UTC)  # midnight in New York
DAYS = 4
APART = timedelta(days=DAYS) / ROWS
STEPS = (("canary 5 %", 500), ("ramp 25 %", 2500))
KILLED_FROM = 700_000  # the rest is written by a process that is killed
Line = dict[str, Any]
Key = tuple[datetime, str, str]  # start of the window, step, arm


def rows(first: int, last: int) -> Iterator[Line]:
    """A new step begins at noon of the third day, in the middle of an hour's rows."""
    change = START + timedelta(days=2, hours=12, minutes=17)
    for n in range(first, last):
        at = START + n * APART
        step, weight_bp = STEPS[at >= change]
        same = {
            "at": at.isoformat(timespec="microseconds"), "model": MODEL, "release": RELEASE,
            "step": step, "revision": 1, "weight_bp": weight_bp, "id": f"r{n}",
            "unit": f"u{n % 50_000}", "version": "1", "latency_ms": 3.0, "reason": None,
            "replica": "a",
        }  # fmt: skip
        chosen = n % 8 == 0
        score = None if n % 97 == 0 else 0.25
        error = "failed" if score is None else None
        yield {**same, "arm": "champion", "served": not chosen, "score": score, "error": error}
        if n % 4 == 0:
            score = None if n % 31 == 0 else 0.75
            error = "failed" if score is None else None
            yield {**same, "arm": "candidate", "served": chosen, "score": score, "error": error}


def write(root: Path, replica: str, first: int, last: int) -> Spool:
    """Through a spool that turns files over as it goes; it is left open."""
    spool = Spool(root, replica, rotate_seconds=60, rotate_bytes=30_000_000, limit=LINES)
    waiting: list[Line] = []
    for line in rows(first, last):
        waiting.append(line)
        if len(waiting) == 5_000:
            assert spool.file({"predictions": waiting}, 60)
            waiting = []
    assert spool.file({"predictions": waiting}, 60)
    return spool


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.contract.test_a_million_predictions import KILLED_FROM, ROWS, write

write(Path(sys.argv[1]), "killed", KILLED_FROM, ROWS)
os.kill(os.getpid(), signal.SIGKILL)
"""


def expected() -> tuple[Counter[str], Counter[Key], Counter[Key]]:
    """Lines by step; by hour, step and arm how many were answered and how many of them failed."""
    lines: Counter[str] = Counter()
    answered: Counter[Key] = Counter()
    failed: Counter[Key] = Counter()
    for line in rows(0, ROWS):
        lines[line["step"]] += 1
        if line["arm"] == "champion" or line["served"]:
            at = datetime.fromisoformat(line["at"]).astimezone(ZoneInfo(ZONE))
            key = (at.replace(minute=0, second=0, microsecond=0), line["step"], line["arm"])
            answered[key] += 1
            failed[key] += line["error"] is not None
    return lines, answered, +failed


def by_day(hours: Counter[Key]) -> Counter[Key]:
    days: Counter[Key] = Counter()
    for (start, step, arm), n in hours.items():
        days[start.replace(hour=0), step, arm] += n
    return days


def seen(windows: Sequence[WindowPair]) -> tuple[Counter[Key], Counter[Key]]:
    answered: Counter[Key] = Counter()
    failed: Counter[Key] = Counter()
    for window in windows:
        for arm in ("champion", "candidate"):
            counts = getattr(window, arm)
            key = (window.start, window.step, arm)
            answered[key] += counts.n
            failed[key] += counts.events
    return +answered, +failed


@pytest.mark.long
def test_a_million_predictions_are_read_back_each_once(tmp_path: Path) -> None:
    """In the right hour and day, step and arm; from Parquet, text, both of one name, a file still
    written, what a killed process left, and a line that it could not finish."""
    root = tmp_path / "spool"
    command = [sys.executable, "-c", _KILLED, str(root)]
    began = time.perf_counter()
    killed = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    steady = write(root, "steady", 0, KILLED_FROM)
    assert killed.wait(120) == -9
    written = time.perf_counter() - began
    folder = root / "predictions"
    left = max(folder.glob("*-killed-*.jsonl"))
    with left.open("a") as file:
        file.write('{"at":"2013-05-01T04:00:00.000000+00:00","model":"m","rel')
    text = {path.stem for path in folder.glob("*.jsonl")}
    parquet = {path.stem for path in folder.glob("*.parquet")}
    assert text & parquet and text - parquet and parquet - text
    began = time.perf_counter()
    now = START + timedelta(days=DAYS)
    with IbisTelemetry(root).looking(MODEL) as telemetry:
        logged = telemetry.logged(RELEASE, now=now)
        asked = {"now": now, "time_zone": ZONE, "slow_ms": None}
        hours = telemetry.live_windows(RELEASE, "error", **asked, each="hour")
        days = telemetry.live_windows(RELEASE, "error", **asked, each="day")
        units = telemetry.assigned_windows(RELEASE, now=now, time_zone=ZONE)
    read = time.perf_counter() - began
    steady.close()
    lines, answered, failed = expected()
    assert sum(lines.values()) == LINES
    assert set(logged) == {Logged(step=step, lines=n) for step, n in lines.items()}
    assert seen(hours) == (answered, failed)
    assert seen(days) == (by_day(answered), by_day(failed))
    assert sum(w.champion.n + w.candidate.n for w in units if w.champion and w.candidate) == 100_000
    print(f"a million lines in {len(text | parquet)} files, written in {written:.0f} s, "
          f"read and summed in {read:.1f} s")  # fmt: skip
    assert read < 60
