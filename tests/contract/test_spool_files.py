"""The spool: what was flushed is on file, nothing twice, and old files become Parquet."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pyarrow.parquet
import pytest

from deployments.gateway.parquet import COLUMNS, to_parquet
from deployments.gateway.spool import Spool
from policies.errors import RefusedError
from tasks.telemetry.adapters.ibis_spool import load
from tasks.telemetry.spool import files_of


def spool(root: Path, replica: str = "g1", **changes: Any) -> Spool:
    options = {"rotate_seconds": 60.0, "rotate_bytes": 10**9, "limit": 10_000} | changes
    return Spool(root, replica, **options)


def read(root: Path, kind: str = "outcomes") -> list[dict[str, Any]]:
    """What the reader of releases takes from the folder."""
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    rows: list[dict[str, Any]] = load(con, root, kind, None).to_pyarrow().to_pylist()
    con.disconnect()
    return rows


def wait(done: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "not within the time"
        time.sleep(0.02)


def outcome(number: int) -> dict[str, Any]:
    return {"at": "2013-05-01T00:00:00.000000+00:00", "model": "m", "id": f"{number}", "label": 1.0}


def text_lines(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / "outcomes").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_flushed_lines_are_on_file_in_order(tmp_path: Path) -> None:
    writer = spool(tmp_path)
    for number in range(500):
        writer.append("outcomes", [outcome(number)])
    assert writer.flush()
    assert text_lines(tmp_path) == [outcome(number) for number in range(500)]
    assert [path.name for path in (tmp_path / "outcomes").iterdir()] == [
        "outcomes-g1-00000001.jsonl"
    ]
    writer.close()


def test_a_full_file_becomes_parquet_and_no_line_is_lost(tmp_path: Path) -> None:
    """Readers take a Parquet file for the text file of the same stem: together, all lines once."""
    writer = spool(tmp_path, rotate_bytes=2_000)
    for number in range(200):
        writer.append("outcomes", [outcome(number)])
        if number % 20 == 0:
            writer.flush()
    folder = tmp_path / "outcomes"
    wait(lambda: any(folder.glob("*.parquet")))  # what waits at the end stays text
    writer.close()
    tables = {path.stem: path for path in folder.glob("*.parquet")}
    assert tables
    ids = [
        i for path in tables.values() for i in pyarrow.parquet.read_table(path)["id"].to_pylist()
    ]
    rest = [path for path in folder.glob("*.jsonl") if path.stem not in tables]
    ids += [json.loads(line)["id"] for path in rest for line in path.read_text().splitlines()]
    assert sorted(ids, key=int) == [str(number) for number in range(200)]


def test_a_new_process_leaves_old_files_alone(tmp_path: Path) -> None:
    """The same name started again: a new number, and what was left becomes Parquet."""
    for number in range(2):
        writer = spool(tmp_path)
        writer.append("outcomes", [outcome(number)])
        writer.flush()
        time.sleep(0.05)
        writer.close()
    names = sorted(path.name for path in (tmp_path / "outcomes").iterdir())
    assert "outcomes-g1-00000002.jsonl" in names
    assert len(text_lines(tmp_path)) == 2


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    writer = spool(tmp_path, limit=10)
    writer.append("outcomes", [outcome(number) for number in range(25)])
    writer.flush()
    assert writer.dropped == 15
    assert len(text_lines(tmp_path)) == 10
    writer.close()


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "inputs-g1-00000001.jsonl"
    line = {"at": "t", "model": "m", "id": "1", "inputs": {"x": 1, "y": None}}
    file.write_text(json.dumps(line) + "\n" + json.dumps(line)[:20])
    table = pyarrow.parquet.read_table(to_parquet("inputs", file)).to_pylist()
    assert [row | {"inputs": json.loads(row["inputs"])} for row in table] == [line]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", ["predictions", "inputs", "outcomes"])
def test_an_empty_file_becomes_an_empty_table(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"{kind}-g1-00000001.jsonl"
    file.touch()
    assert pyarrow.parquet.read_table(to_parquet(kind, file)).num_rows == 0


def test_a_name_that_only_begins_alike_is_another_replica(tmp_path: Path) -> None:
    """``g1`` must not take the open file of ``g1-2`` for something that it left behind itself."""
    other = spool(tmp_path, "g1-2")
    other.append("outcomes", [outcome(1)])
    assert other.flush()
    (tmp_path / "outcomes" / "outcomes-g1-notes.txt").touch()
    writer = spool(tmp_path)
    writer.append("outcomes", [outcome(2)])
    writer.close()
    other.append("outcomes", [outcome(3)])
    other.close()
    assert sorted(row["id"] for row in read(tmp_path)) == ["1", "2", "3"]
    assert not list(tmp_path.rglob("*-g1-2-*.parquet"))


def test_two_processes_of_one_name_are_refused(tmp_path: Path) -> None:
    """The second would turn files into Parquet that the first one still writes."""
    writer = spool(tmp_path)
    with pytest.raises(RefusedError, match="--replica"):
        spool(tmp_path, name_seconds=0.1)
    writer.append("outcomes", [outcome(1)])
    writer.close()
    spool(tmp_path, name_seconds=0.1).close()
    assert [row["id"] for row in read(tmp_path)] == ["1"]


@pytest.mark.parametrize("blocked", ["", "outcomes"])
def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path, blocked: str) -> None:
    """What is lost is counted, said and, as soon as it can be, written down for readers."""
    root = tmp_path / "spool"
    in_the_way = root / blocked
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.touch()
    writer = spool(root)
    assert not writer.file({"outcomes": [outcome(1), outcome(2)]})
    assert writer.dropped == 2
    assert writer.fault is not None and "cannot be written" in writer.fault
    in_the_way.unlink()
    wait(lambda: writer.fault is None)
    assert writer.file({"outcomes": [outcome(3)]})
    assert [row["id"] for row in read(root)] == ["3"]
    (told,) = read(root, "drops")
    assert (told["model"], told["kind"], told["lines"]) == ("m", "outcomes", 2)
    assert told["release"] is None and told["at"] == told["until"]
    writer.close()


def test_lost_lines_are_told_for_each_model_and_step(tmp_path: Path) -> None:
    """Those that found no room in memory as well; the first and the last of them, and how many."""
    writer = spool(tmp_path, limit=2)
    moments = [f"2013-05-01T00:00:0{n}.000000+00:00" for n in range(10)]
    same = {"model": "m", "release": "r1"}
    lines = [
        {**same, "at": at, "step": "shadow" if n < 6 else "soak"} for n, at in enumerate(moments)
    ]
    writer.append("predictions", lines)
    writer.close()
    told = {row["step"]: row for row in read(tmp_path, "drops")}
    assert {step: row["lines"] for step, row in told.items()} == {"shadow": 4, "soak": 4}
    assert (told["shadow"]["at"].second, told["shadow"]["until"].second) == (2, 5)
    assert {row["release"] for row in told.values()} == {"r1"}


# In a process of its own: the limit holds for every file that it writes.
_FULL = """
import resource, sys
from pathlib import Path
from tests.contract.test_spool_files import outcome, spool, wait

root = Path(sys.argv[1])
writer = spool(root)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
assert writer.file({"outcomes": [outcome(n) for n in range(10)]})
size = sum(path.stat().st_size for path in root.rglob("*.jsonl"))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 4, most))
assert not writer.file({"outcomes": [outcome(n) for n in range(10, 20)]})
resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
for again in range(3):
    assert not writer.file({"outcomes": [outcome(100 + again)]})
assert "File too large" in writer.fault
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
wait(lambda: writer.fault is None)
assert writer.file({"outcomes": [outcome(n) for n in range(20, 30)]})
print(writer.dropped)
writer.close()
"""


def test_a_disk_that_gets_full_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """What fits is kept, the torn line counts as lost, and nothing is appended to it."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ids = sorted(int(row["id"]) for row in read(tmp_path))
    assert ids == [*range(12), *range(20, 30)]
    assert int(done.stdout) == 8 + 3
    assert sum(row["lines"] for row in read(tmp_path, "drops")) == 8 + 3
    assert len(list((tmp_path / "outcomes").iterdir())) <= 4  # and not one for every attempt


def test_a_line_that_cannot_be_written_takes_no_other_along(tmp_path: Path) -> None:
    """Nor does half a character, which clients can send and no reader of JSON takes."""
    writer = spool(tmp_path)
    strange = [outcome(1) | {"id": "\ud800"}, outcome(2) | {"id": object()}, outcome(3)]
    strange += [outcome(4) | {"id": "a\x00b\u2028\r\n"}, outcome(5) | {"label": float("nan")}]
    assert not writer.file({"outcomes": strange})
    expected = ["?", "3", "a\x00b\u2028\r\n", "5"]
    assert [row["id"] for row in read(tmp_path)] == expected
    assert writer.dropped == 1
    writer.close()
    later = spool(tmp_path)
    wait(lambda: bool(list((tmp_path / "outcomes").glob("*.parquet"))))
    assert [row["id"] for row in read(tmp_path)] == expected
    later.close()


@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_parquet_says_what_the_text_said(tmp_path: Path, kind: str) -> None:
    """Column by column, whatever is missing, and whatever a line has besides."""
    texts = {"VARCHAR": ["x", "", None], "BIGINT": [1, 0, None], "DOUBLE": [0.5, 1, None]}
    texts |= {"BOOLEAN": [True, False, None]}
    rows = [{name: texts[word][n] for name, word in COLUMNS[kind].items()} for n in range(3)]
    if kind == "inputs":
        rows = [row | {"inputs": {"x": 1}} for row in rows]
    more = [{**row, "more": [1, {}]} for row in rows] + [{"model": "m"}]
    folder = tmp_path / kind
    folder.mkdir()
    file = folder / f"{kind}-g1-00000001.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in more) + '{"torn')
    table = pyarrow.parquet.read_table(to_parquet(kind, file)).to_pylist()
    nothing = dict.fromkeys(COLUMNS[kind], None)
    expected = [*rows, nothing | {"model": "m"}]
    if kind == "inputs":
        table = [row | {"inputs": json.loads(row["inputs"] or "null")} for row in table]
    assert table == expected


def test_a_damaged_file_stays_text_and_others_do_not_wait_for_it(tmp_path: Path) -> None:
    """Readers say what is wrong with it; it is not hidden in a file that looks whole."""
    folder = tmp_path / "outcomes"
    folder.mkdir()
    (folder / "outcomes-g1-00000001.jsonl").write_text('{"at": \n')
    (folder / "outcomes-g1-00000002.jsonl").write_text(json.dumps(outcome(1)) + "\n")
    writer = spool(tmp_path)
    wait(lambda: bool(list(folder.glob("*.parquet"))))
    writer.close()
    text, parquet = files_of(tmp_path, "outcomes")
    assert [path.stem[-1] for path in (*text, *parquet)] == ["1", "2"]


def test_a_file_that_becomes_parquet_is_never_missed(tmp_path: Path) -> None:
    """Listed while it happens, every file is there, as text or as Parquet."""
    stop = subprocess.Popen([sys.executable, "-c", _TURNING, str(tmp_path)])
    try:
        wait(lambda: len(list(tmp_path.glob("outcomes/*"))) >= 400)
        names = {path.stem for path in (tmp_path / "outcomes").iterdir()}
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            text, parquet = files_of(tmp_path, "outcomes")
            found = [path.stem for path in (*text, *parquet)]
            assert len(found) == len(set(found))
            assert names <= set(found), sorted(names - set(found))[:3]
    finally:
        stop.kill()
        stop.wait()


# Files turn into Parquet and lose their text as fast as they can.
_TURNING = """
import sys
from pathlib import Path

folder = Path(sys.argv[1]) / "outcomes"
folder.mkdir()
files = [folder / f"outcomes-g1-{n:08d}.jsonl" for n in range(1, 4000)]
for file in files[:400]:
    file.touch()
for at in range(len(files) - 400):
    files[at].with_suffix(".part").touch()
    files[at].with_suffix(".part").replace(files[at].with_suffix(".parquet"))
    files[at].unlink()
    files[at + 400].touch()
"""
