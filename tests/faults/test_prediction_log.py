"""The log of predictions when processes are killed, disks are full and clocks jump."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.vocabulary import TrafficPlan
from tasks.telemetry.adapters.ibis import IbisTelemetry
from tests.faults.stack_gateway import MODEL, Stack, gateway, make_model, version
from tests.faults.stack_log import ROOT, doubles, ids_served, kill_under_load, ready, rows

LAST_MS = 500.0  # a shared machine stands still for a tenth of a second now and then


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrafficPlan]:
    home = tmp_path_factory.mktemp("home")
    digest = make_model(home / "store", 0.1, sensitive=False)
    champion = version(1, digest)
    return home, TrafficPlan(model=MODEL, champion=champion, release_id="r-1", step="shadow")


@pytest.mark.stack
def test_a_killed_process_leaves_a_log_that_can_be_read(made: tuple[Path, TrafficPlan]) -> None:
    """Nothing torn, nothing twice; lost is what was answered in the last moment at most.

    The other process of the same home loses nothing. Started again, the killed one turns what
    it left into Parquet, and the log says the same.
    """
    home, plan = made
    killed = kill_under_load(home, plan, "k", rotate_seconds=0.3)
    found = rows(home)
    ids = {row["id"] for row in found if row["served"]}
    lost = killed.lost_ms(ids)
    print(f"{killed.rate:.0f} requests/s; lost {len(lost)} of {len(killed.answered)} answers, ")
    print(f"given in the last {max(lost, default=0.0):.1f} ms before the kill")
    assert len(killed.answered) > 100
    assert max(lost, default=0.0) <= LAST_MS
    assert not doubles(found)
    assert all(row["id"].startswith("k-") and row["score"] is not None for row in found)
    assert killed.beside.keys() <= ids
    with gateway(home, "--replica", "dying", "--rotate-seconds", "0.3") as again:
        ready(again, plan)
        folder = home / "spool" / "predictions"
        again.wait(lambda: len(list(folder.glob("*-dying-*.jsonl"))) <= 1)  # one rotation longer
        assert again.predict(["again"])
        again.wait(lambda: "again-" in ids_served(home))
    after = rows(home)
    assert {row["id"] for row in after} == ids | {"again-"}
    assert not doubles(after)


@pytest.mark.stack
def test_a_second_process_of_the_same_name_does_not_start(made: tuple[Path, TrafficPlan]) -> None:
    """It says what to do, and the first one goes on."""
    home, plan = made
    with gateway(home, "--replica", "one") as first:
        ready(first, plan)
        second = subprocess.run(
            [sys.executable, "-m", "deployments.gateway", "--home", str(home), "--port", "1",
             "--replica", "one"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "Another process writes the log of one" in second.stderr
        assert "--replica NAME" in second.stderr and "Traceback" not in second.stderr
        first.predict(["still"])
        first.wait(lambda: "still-" in ids_served(home))


@pytest.fixture(scope="module")
def unwritable(made: tuple[Path, TrafficPlan]) -> Iterator[Stack]:
    """A gateway that started when its log could not be written."""
    home, plan = made
    in_the_way = home / "spool"
    with suppress(FileNotFoundError):
        in_the_way.rename(home / "spool before")
    in_the_way.touch()
    with gateway(home, "--replica", "full", "--rotate-seconds", "1") as stack:
        stack.router.apply(plan)
        stack.wait(lambda: stack.plane.observe(MODEL)[0].serving)
        yield stack


def health(stack: Stack) -> dict[str, Any]:
    told: dict[str, Any] = stack.http.get("/health").json()
    return told


def lost(stack: Stack) -> int:
    """Lines of predictions that the readers of the release know to be lost."""
    telemetry = IbisTelemetry(stack.home / "spool")
    clock = stack.home / "clock" / f"{MODEL}.json"
    now = json.loads(clock.read_text())["now"] if clock.exists() else "2100-01-01T00:00:00+00:00"
    at = max(datetime.fromisoformat(now), datetime.fromisoformat("2100-01-01T00:00:00+00:00"))
    return sum(step.lost for step in telemetry.logged("r-1", now=at))


@pytest.mark.stack
def test_a_log_that_cannot_be_written_stops_no_answer(unwritable: Stack) -> None:
    """Also from the start on. It is said to whoever looks, and told in the log when it can be."""
    assert unwritable.predict(["early-1", "early-2"])
    unwritable.wait(lambda: health(unwritable)["lines_dropped"] == 4)  # with what they carried
    assert "cannot be written" in health(unwritable)["spool_error"]
    assert "cannot be written" in (unwritable.plane.observe(MODEL)[0].error or "")
    (unwritable.home / "spool").unlink()
    unwritable.wait(lambda: health(unwritable)["spool_error"] is None)
    unwritable.predict(["room"])
    unwritable.wait(lambda: ids_served(unwritable.home) == {"room-"})
    assert lost(unwritable) == 2


@pytest.mark.stack
def test_a_full_disk_stops_no_answer(unwritable: Stack) -> None:
    """Writes fail as on a full disk. What is lost is counted, and logging goes on by itself."""
    unwritable.wait(lambda: health(unwritable)["spool_error"] is None)
    told, before = lost(unwritable), health(unwritable)["lines_dropped"]
    kept = ids_served(unwritable.home)
    _, most = resource.prlimit(unwritable.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(unwritable.process.pid, resource.RLIMIT_FSIZE, (0, most))
    units = [f"full-{number}" for number in range(20)]
    assert {answer["variant"] for answer in unwritable.predict(units)} == {"champion"}
    unwritable.wait(lambda: health(unwritable)["lines_dropped"] == before + 40)
    assert "File too large" in (unwritable.plane.observe(MODEL)[0].error or "")
    posted = {"outcomes": [{"id": "full-1-", "label": 1}]}
    refused = unwritable.http.post(f"/models/{MODEL}/outcomes", json=posted)
    assert (refused.status_code, refused.json()["advice"]) == (503, "Send them again.")
    resource.prlimit(unwritable.process.pid, resource.RLIMIT_FSIZE, (most, most))
    unwritable.wait(lambda: health(unwritable)["spool_error"] is None)
    assert unwritable.http.post(f"/models/{MODEL}/outcomes", json=posted).status_code == 200
    unwritable.predict(["more"])
    unwritable.wait(lambda: ids_served(unwritable.home) == kept | {"more-"})
    assert lost(unwritable) == told + 20
    assert unwritable.plane.observe(MODEL)[0].error is None


@pytest.mark.stack
def test_a_clock_that_jumps_moves_lines_and_loses_none(unwritable: Stack) -> None:
    """Lines carry the time of the world they are of; files turn over on a clock of their own."""
    unwritable.wait(lambda: health(unwritable)["spool_error"] is None)
    clock = unwritable.home / "clock" / f"{MODEL}.json"
    clock.parent.mkdir(exist_ok=True)
    noon = datetime.fromisoformat("2013-05-01T12:00:00+00:00")
    expected = {}
    for number, hours in enumerate((0, 48, -24, 1, 0)):
        moment = noon + timedelta(hours=hours)
        clock.write_text(json.dumps({"now": moment.isoformat(), "rate": 3600}))
        unwritable.predict([f"jump-{number}"])
        expected[f"jump-{number}-"] = moment
        time.sleep(0.5)
    found = {row["id"]: row for row in rows(unwritable.home) if row["id"].startswith("jump")}
    assert {id_: row["at"].isoformat() for id_, row in found.items()} == {
        id_: moment.replace(tzinfo=None).isoformat() for id_, moment in expected.items()
    }
    unwritable.wait(
        lambda: len(list((unwritable.home / "spool" / "predictions").glob("*.parquet"))) >= 2
    )
    assert not doubles(rows(unwritable.home))


# Writes a line, waits until it is on file, says so: until it is killed.
_WRITER = """
import sys, time
from pathlib import Path
from deployments.gateway.spool import Spool

writer = Spool(Path(sys.argv[1]), "storm", rotate_seconds=60, rotate_bytes=200, limit=100)
same = {"at": "2013-05-01T00:00:00.000000+00:00", "model": "m", "label": 1.0}
for number in range(int(sys.argv[2]), 10**9):
    assert writer.file({"outcomes": [same | {"id": str(number)}]})
    print(number, flush=True)
    time.sleep(0.003)
"""


def test_a_storm_of_restarts_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Twenty times killed in the middle of writing and turning files over, read meanwhile."""
    said: list[int] = []
    spool = tmp_path / "spool"
    for turn in range(20):
        command = [sys.executable, "-c", _WRITER, str(spool), str(turn * 100_000)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout is not None
        try:
            said += [int(process.stdout.readline()) for _ in range(5 + turn)]
            found = [int(row["id"]) for row in rows(tmp_path, "outcomes")]
            assert set(said) <= set(found) and len(found) == len(set(found))
        finally:
            process.kill()
            rest, _ = process.communicate(timeout=10)
        said += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    found = [int(row["id"]) for row in rows(tmp_path, "outcomes")]
    assert set(said) <= set(found) and len(found) == len(set(found))
    folder = spool / "outcomes"
    numbers = {path.stem for path in folder.iterdir()}
    assert len(numbers) >= 20  # every process began files of its own
    print(f"{len(found)} lines in {len(numbers)} files")
