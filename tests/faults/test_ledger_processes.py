"""The SQLite ledger under several processes, sudden death, tampering and a missing disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.errors import BrokenChainError, LedgerError, UnavailableError
from policies.vocabulary import Entry
from tasks.ledger.adapters.sql import SqlLedger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from policies.vocabulary import Entry
from tasks.ledger.adapters.sql import SqlLedger
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger = SqlLedger(path, busy_seconds=60)
n = 0
while n != count:
    fact = Entry(kind="alert", actor=name, at=datetime.now(UTC), payload={"n": n})
    print(ledger.append(fact).seq, flush=True)
    n += 1
"""
OPENER = """
import sys
from datetime import UTC, datetime, timedelta
from policies.errors import StaleMoveError, LedgerError
from policies.vocabulary import Entry
from tasks.ledger.adapters.sql import SqlLedger
path, name = sys.argv[1:]
ledger, now = SqlLedger(path, busy_seconds=60), datetime.now(UTC)
lease = ledger.take_lease(name, name, now, timedelta(minutes=1))
opened = Entry(kind="opened", move=True, release_id=name, model="m", actor=name, at=now)
try:
    ledger.move(opened, lease, after=0)
except LedgerError:
    sys.exit(1)
"""


def _start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _filled(path: Path, count: int = 5) -> SqlLedger:
    ledger = SqlLedger(path, busy_seconds=0.2)
    for n in range(count):
        ledger.append(Entry(kind="alert", actor="a", at=NOW, model="m", payload={"n": n}))
    return ledger


def _without_triggers(path: Path, *statements: str) -> None:
    """What somebody with the file and a SQL shell can do."""
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER entries_no_update")
        database.execute("DROP TRIGGER entries_no_delete")
        for statement in statements:
            database.execute(statement)
    database.close()


def test_many_processes_share_one_ledger(tmp_path: Path) -> None:
    """Processes that make and fill one ledger together lose and repeat no seq."""
    path = tmp_path / "ledger.db"
    writers = [_start(WRITER, str(path), f"w{i}", "40") for i in range(4)]
    seqs = [int(line) for writer in writers for line in writer.communicate(timeout=120)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    assert sorted(seqs) == list(range(1, 161))
    ledger = SqlLedger(path)
    assert ledger.verify() == 160
    for name in ("w0", "w1", "w2", "w3"):
        mine = [e.payload["n"] for e in ledger.entries() if e.actor == name]
        assert mine == list(range(40))


def test_of_rival_launches_one_opens(tmp_path: Path) -> None:
    """Several releases of one model launched at once: exactly one is live."""
    path = tmp_path / "ledger.db"
    rivals = [_start(OPENER, str(path), f"r{i}") for i in range(4)]
    for rival in rivals:
        rival.communicate(timeout=120)
    assert sorted(rival.returncode for rival in rivals) == [0, 1, 1, 1]
    assert SqlLedger(path).verify() == 1


@pytest.mark.parametrize("round_", range(3))
def test_a_writer_that_is_killed_leaves_a_chain_that_verifies(tmp_path: Path, round_: int) -> None:
    """Every entry that was reported is there, the chain holds, and the next writer goes on."""
    path = tmp_path / "ledger.db"
    writer = _start(WRITER, str(path), "victim", "-1")
    assert writer.stdout is not None
    reported = [int(writer.stdout.readline()) for _ in range(20 + 7 * round_)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    reported = max([reported, *(int(s) for s in writer.stdout.read().split("\n")[:-1] if s)])
    writer.wait()
    ledger = SqlLedger(path)
    assert ledger.verify() in (reported, reported + 1)
    follower = ledger.append(Entry(kind="alert", actor="next", at=NOW))
    assert ledger.verify() == follower.seq


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entries SET canon = replace(canon, '\"n\":2', '\"n\":7') WHERE seq = 3",
        "UPDATE entries SET canon = 'x' WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 5",
        "DELETE FROM entries",
        "UPDATE entries SET model = 'other' WHERE seq = 3",
        "UPDATE entries SET is_move = 1 WHERE seq = 3",
        "UPDATE entries SET seq = 9 WHERE seq = 5",
        "INSERT INTO entries SELECT 6, canon || ' ', 'sha256:0', kind, release_id, model, is_move "
        "FROM entries WHERE seq = 5",
    ],
)
def test_tampering_with_the_file_is_found(tmp_path: Path, tampering: str) -> None:
    """An edited, removed, added or hidden row fails verification."""
    _filled(tmp_path / "ledger.db").close()
    _without_triggers(tmp_path / "ledger.db", tampering)
    with pytest.raises(BrokenChainError) as broken:
        SqlLedger(tmp_path / "ledger.db").verify()
    assert broken.value.advice


def test_an_altered_entry_is_not_even_read(tmp_path: Path) -> None:
    """No state is folded from an entry that is not what was recorded."""
    path = tmp_path / "ledger.db"
    _filled(path).close()
    _without_triggers(path, "UPDATE entries SET canon = replace(canon, 'alert', 'alerd')")
    with pytest.raises(BrokenChainError):
        SqlLedger(path).entries(model="m")


@pytest.mark.parametrize("statement", ["UPDATE entries SET kind = 'x'", "DELETE FROM entries"])
def test_a_slip_in_a_sql_shell_is_stopped(tmp_path: Path, statement: str) -> None:
    _filled(tmp_path / "ledger.db").close()
    with (
        sqlite3.connect(tmp_path / "ledger.db") as database,
        pytest.raises(sqlite3.DatabaseError, match="append-only"),
    ):
        database.execute(statement)


def test_a_locked_ledger_may_be_tried_again(tmp_path: Path) -> None:
    """Locked is unavailable, soon; readers are not disturbed; nothing is half written."""
    path = tmp_path / "ledger.db"
    ledger = _filled(path)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="locked") as refusal:
            ledger.append(Entry(kind="alert", actor="a", at=NOW))
        assert time.monotonic() - started < 2
        assert refusal.value.advice
        assert len(ledger.entries()) == 5
        other.execute("ROLLBACK")
    other.close()
    assert ledger.append(Entry(kind="alert", actor="a", at=NOW)).seq == 6


def test_a_ledger_in_no_folder_is_unavailable(tmp_path: Path) -> None:
    ledger = SqlLedger(tmp_path / "absent" / "ledger.db")  # building it reaches for nothing
    with pytest.raises(UnavailableError, match="cannot be opened"):
        ledger.entries()


@pytest.mark.parametrize("damage", ["garbage", "torn page", "another schema"])
def test_a_damaged_ledger_is_not_worth_a_retry(tmp_path: Path, damage: str) -> None:
    """Damage is said to be damage: it is neither empty nor merely busy."""
    path = tmp_path / "ledger.db"
    if damage == "garbage":
        path.write_bytes(b"this is not a database, it is a text" * 200)
    else:
        _filled(path).close()
        if damage == "another schema":
            with sqlite3.connect(path) as database:
                database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
            database.close()
        else:
            data = bytearray(path.read_bytes())
            data[4096:] = b"\xff" * (len(data) - 4096)
            path.write_bytes(bytes(data))
    ledger = SqlLedger(path)
    with pytest.raises(LedgerError) as refusal:
        ledger.verify()
    assert refusal.value.advice
    with pytest.raises(LedgerError):
        ledger.append(Entry(kind="alert", actor="a", at=NOW))


def test_another_database_is_refused_by_name() -> None:
    with pytest.raises(LedgerError, match="SQLite only"):
        SqlLedger("postgresql://nowhere/x").entries()


def test_a_refused_move_writes_nothing(tmp_path: Path) -> None:
    """Not even the seq is used up."""
    ledger = _filled(tmp_path / "ledger.db", 2)
    lease = ledger.take_lease("r1", "run", NOW, timedelta(minutes=1))
    entry = Entry(kind="held", move=True, release_id="r1", model="m", actor="a", at=NOW)
    with pytest.raises(LedgerError):
        ledger.move(entry, lease, after=1)
    assert ledger.append(Entry(kind="alert", actor="a", at=NOW)).seq == 3


def test_building_a_ledger_imports_no_database_library() -> None:
    """A kill moves traffic before it pays for the import of SQLAlchemy."""
    code = (
        "import sys; from tasks.ledger.adapters.sql import SqlLedger; SqlLedger('x');"
        "sys.exit('sqlalchemy' in sys.modules)"
    )
    assert _start(code).wait(timeout=60) == 0
