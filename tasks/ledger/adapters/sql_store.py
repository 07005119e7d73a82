"""Tables, transactions and statements of the SQL ledger.

The statements are plain SQLAlchemy Core and hold on any database; only opening the file and
the write lock are SQLite's. ``seq`` is given inside the write lock, never by a sequence: a
sequence leaves gaps when a transaction is rolled back.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    event,
    exc,
    func,
    insert,
    inspect,
    select,
    update,
)

from policies.errors import LedgerError, UnavailableError
from policies.vocabulary import Entry, Lease
from tasks.ledger.chain import START, Head

SCHEMA = "1"
_METADATA = MetaData()
_ENTRIES = Table(
    "entries",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("canon", Text, nullable=False),  # exactly what was hashed
    Column("hash", String(71), nullable=False, unique=True),
    # Copies to search by. Never trusted: verify() compares them with the text.
    Column("kind", String(64), nullable=False),
    Column("release_id", String(200)),
    Column("model", String(200)),
    Column("is_move", Boolean, nullable=False),
    Index("entries_by_release", "release_id", "seq"),
    Index("entries_by_model", "model", "kind", "seq"),
)
_LEASES = Table(
    "leases",
    _METADATA,
    Column("release_id", String(200), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("holder", String(200), nullable=False),
    Column("expires_at", String(40), nullable=False),  # ISO 8601: SQLite would lose the zone
)
_META = Table(
    "meta",
    _METADATA,
    Column("key", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)
# A fence against accidents, not a proof: whoever may write the file may drop the triggers.
for _change in ("UPDATE", "DELETE"):
    event.listen(
        _ENTRIES,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
            f"CREATE TRIGGER entries_no_{_change.lower()} BEFORE {_change} ON entries "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )


class Store:
    """The open database. Threads may share it; a forked process opens its own."""

    def __init__(self, where: str, busy_seconds: float) -> None:
        self._where = where
        self._engine = _engine(where, busy_seconds)
        with _translated(where):
            _prepare(self._engine, busy_seconds)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        with (
            _translated(self._where),
            self._engine.connect().execution_options(locks_first=write) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        self._engine.dispose()


def head(connection: Connection) -> Head:
    """The end of the chain as it was written with the last entry."""
    value = connection.scalar(select(_META.c.value).where(_META.c.key == "head"))
    if value is None:
        raise LedgerError("The ledger has lost its own end mark.", advice="Restore a backup.")
    seq, digest = value.split(" ")
    return Head(int(seq), digest)


def insert_entry(connection: Connection, entry: Entry, text: str) -> None:
    connection.execute(
        insert(_ENTRIES).values(
            seq=entry.seq,
            canon=text,
            hash=entry.hash,
            kind=entry.kind,
            release_id=entry.release_id,
            model=entry.model,
            is_move=entry.move,
        )
    )
    end_mark = f"{entry.seq} {entry.hash}"
    connection.execute(update(_META).where(_META.c.key == "head").values(value=end_mark))


def rows(
    connection: Connection,
    *,
    release_id: str | None = None,
    model: str | None = None,
    after: int = 0,
) -> Iterator[Row[Any]]:
    query = select(_ENTRIES).where(_ENTRIES.c.seq > after).order_by(_ENTRIES.c.seq)
    if release_id is not None:
        query = query.where(_ENTRIES.c.release_id == release_id)
    if model is not None:
        query = query.where(_ENTRIES.c.model == model)
    yield from connection.execute(query)


def last_move(connection: Connection, release_id: str) -> int:
    query = select(func.max(_ENTRIES.c.seq)).where(
        _ENTRIES.c.release_id == release_id, _ENTRIES.c.is_move
    )
    return connection.scalar(query) or 0


def live_release(connection: Connection, model: str | None) -> str | None:
    """The release of the model that was opened and not closed."""
    end = _ENTRIES.alias()
    closed = select(end.c.release_id).where(
        end.c.kind == "closed", end.c.is_move, end.c.release_id == _ENTRIES.c.release_id
    )
    query = select(_ENTRIES.c.release_id).where(
        _ENTRIES.c.kind == "opened",
        _ENTRIES.c.is_move,
        _ENTRIES.c.model == model,
        ~closed.exists(),
    )
    return connection.scalar(query.order_by(_ENTRIES.c.seq).limit(1))


def lease(connection: Connection, release_id: str) -> Lease | None:
    row = connection.execute(select(_LEASES).where(_LEASES.c.release_id == release_id)).first()
    if row is None:
        return None
    return Lease(
        release_id=row.release_id,
        epoch=row.epoch,
        holder=row.holder,
        expires_at=datetime.fromisoformat(row.expires_at),
    )


def keep_lease(connection: Connection, held: Lease, *, is_new: bool) -> None:
    values = {
        "epoch": held.epoch,
        "holder": held.holder,
        "expires_at": held.expires_at.isoformat(),
    }
    if is_new:
        connection.execute(insert(_LEASES).values(release_id=held.release_id, **values))
    else:
        here = _LEASES.c.release_id == held.release_id
        connection.execute(update(_LEASES).where(here).values(values))


def _engine(where: str, busy_seconds: float) -> Engine:
    address = where if "://" in where else f"sqlite:///{Path(where).absolute()}"
    if not address.startswith("sqlite:///"):
        raise LedgerError(
            "This version keeps its ledger in SQLite only.",
            advice="Name a file, or an address that begins with sqlite:///.",
        )
    engine = create_engine(address, connect_args={"timeout": busy_seconds})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        connection.execute("PRAGMA synchronous=FULL")  # an entry returned is an entry on disk

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock before anything is read, so what is read still holds
        # when the entry is written, and waiting for the lock obeys the busy timeout.
        locks_first = connection.get_execution_options().get("locks_first")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if locks_first else "BEGIN")

    return engine


def _prepare(engine: Engine, busy_seconds: float) -> None:
    with engine.connect() as connection:
        is_new = not inspect(connection).has_table("meta")
    if is_new:
        _use_write_ahead_log(engine, busy_seconds)
        with engine.connect().execution_options(locks_first=True) as connection, connection.begin():
            if not inspect(connection).has_table("meta"):  # another process may have been first
                _create(connection)
    with engine.connect() as connection:
        schema = connection.scalar(select(_META.c.value).where(_META.c.key == "schema"))
    if schema != SCHEMA:
        raise LedgerError(
            f"The ledger has schema {schema}; this version reads schema {SCHEMA}.",
            advice="Use the version of Seatrial that wrote it, or migrate it.",
        )


def _create(connection: Connection) -> None:
    _METADATA.create_all(connection)
    values = {
        "schema": SCHEMA,
        "ledger_id": uuid4().hex,
        "head": f"{START.seq} {START.hash}",
    }
    rows_ = [{"key": key, "value": value} for key, value in values.items()]
    connection.execute(insert(_META), rows_)


def _use_write_ahead_log(engine: Engine, busy_seconds: float) -> None:
    """Readers then never wait for a writer. The mode stays with the file.

    Changing it does not obey the busy timeout, so processes that make one file together try
    again.
    """
    deadline = time.monotonic() + busy_seconds
    raw = engine.raw_connection()
    try:
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
    finally:
        raw.close()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Vendor errors as ours. Corrupt is not busy: only the latter is worth a retry."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        name = getattr(cause, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise UnavailableError(
                f"The ledger {where} is locked by another process.",
                advice="Try again; if it stays locked, find the process that holds it.",
            ) from error
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY")):
            raise UnavailableError(
                f"The ledger {where} cannot be opened or written ({cause}).",
                advice="Check that its folder exists, can be written, and that the disk has room.",
            ) from error
        raise LedgerError(
            f"The ledger {where} is damaged or is not a ledger ({cause}).",
            advice="Change nothing in it; run `seatrial doctor` and restore a backup.",
        ) from error
