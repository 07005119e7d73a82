"""What clients were answered against what readers of the log find; for tests and benchmarks."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from policies.vocabulary import TrafficPlan
from tasks.telemetry.adapters.ibis_spool import load
from tests.faults.stack_gateway import MODEL, Stack, gateway

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Killed:
    """What a kill under load left."""

    seconds: float  # of load before the kill
    answered: dict[str, float]  # id: when it was there
    killed_at: float
    beside: dict[str, float]  # what another process of the same home answered meanwhile

    @property
    def rate(self) -> float:
        return len(self.answered) / self.seconds

    def gap_ms(self) -> float:
        """The longest time in the last half second in which nobody was answered: on a machine
        that stands still, what is lost is old and no more."""
        late = sorted(at for at in self.answered.values() if 0 < self.killed_at - at < 0.5)
        gaps = (after - at for at, after in pairwise([*late, self.killed_at]))
        return max(gaps, default=0.0) * 1000

    def lost_ms(self, ids: set[str]) -> list[float]:
        """How long before the kill each answer that is not in the log was given."""
        ages = (self.killed_at - at for id_, at in self.answered.items() if id_ not in ids)
        return sorted(max(0.0, age) * 1000 for age in ages)


def loading(
    port: int, name: str, to: Path, seconds: float, clients: int
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.stack_load", "--port", str(port)]
    command += ["--model", MODEL, "--name", name, "--to", str(to)]
    command += ["--seconds", str(seconds), "--clients", str(clients)]
    return subprocess.Popen(command, cwd=ROOT)


def told(path: Path) -> dict[str, float]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {id_: float(at) for id_, at in lines}


def kill_under_load(
    home: Path,
    plan: TrafficPlan,
    name: str,
    *,
    seconds: float = 3.0,
    clients: int = 16,
    rotate_seconds: float = 60.0,
) -> Killed:
    """``kill -9`` of a real process in the middle of its answers; another one of the home lives."""
    with ExitStack() as stack:
        rotate = ["--rotate-seconds", str(rotate_seconds)]
        dying = stack.enter_context(gateway(home, "--replica", "dying", *rotate))
        living = stack.enter_context(gateway(home, "--replica", "living", *rotate))
        for each in (dying, living):
            ready(each, plan)
        files = home / f"{name}-dying.txt", home / f"{name}-living.txt"
        loads = [
            loading(dying.port, f"{name}-dying", files[0], seconds + 60, clients),
            loading(living.port, f"{name}-living", files[1], seconds + 2, 1),
        ]
        try:
            begin = first_answer(home, name)
            time.sleep(max(0.0, begin + seconds - time.monotonic()))
            killed_at = time.monotonic()
            dying.process.send_signal(signal.SIGKILL)
            dying.process.wait(10)
            assert [each.wait(60) for each in loads] == [0, 0]
        finally:
            for each in loads:
                each.kill()
    answered = told(files[0])
    began = min(answered.values(), default=killed_at)
    return Killed(killed_at - began, answered, killed_at, told(files[1]))


def ready(stack: Stack, plan: TrafficPlan) -> None:
    stack.apply(plan)
    stack.wait(lambda: stack.plane.observe(MODEL)[0].error is None)


def first_answer(home: Path, name: str, seconds: float = 30.0) -> float:
    """When the first line of this load was on file."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if any(id_.startswith(f"{name}-dying") for id_ in ids_served(home)):
            return time.monotonic()
        time.sleep(0.2)
    raise AssertionError("no line within the time")


def rows(home: Path, kind: str = "predictions") -> list[dict[str, Any]]:
    """Every row that the release's own reader takes from the spool, doubles and all."""
    import ibis

    con = ibis.duckdb.connect()
    try:
        con.raw_sql("SET TimeZone = 'UTC'")
        found: list[dict[str, Any]] = load(con, home / "spool", kind, None).to_pyarrow().to_pylist()
    finally:
        con.disconnect()
    return found


def ids_served(home: Path) -> set[str]:
    return {row["id"] for row in rows(home) if row["served"]}


def doubles(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Rows and arms that are there more than once."""
    counted = Counter((row["id"], row["arm"]) for row in found)
    return [key for key, times in counted.items() if times > 1]
