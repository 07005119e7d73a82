"""The ledger in a SQL database: one SQLite file that any number of processes may write.

SQLAlchemy takes 0.15 to 0.5 s to import, so it is imported at the first call: building a
``SqlLedger`` costs nothing, and a kill moves the traffic before it pays for the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from policies.errors import BrokenChainError
from policies.vocabulary import Entry, Lease
from tasks.ledger import chain, rules

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tasks.ledger.adapters.sql_store import Store


def wall_clock() -> datetime:
    return datetime.now(UTC)


class SqlLedger:
    """``where`` is a file or a ``sqlite:///`` address; ``busy_seconds`` how long to wait for it.

    The file is made at the first use, its folder is not.
    """

    def __init__(
        self,
        where: str | Path,
        *,
        clock: Callable[[], datetime] = wall_clock,
        busy_seconds: float = 10.0,
    ) -> None:
        self._where = str(where)
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._store: Store | None = None
        self._opening = Lock()

    def append(self, fact: Entry) -> Entry:
        rules.refuse_unless_fact(fact)
        with self._writing() as connection:
            return self._write(connection, fact)

    def move(self, entry: Entry, lease: Lease, after: int) -> Entry:
        from tasks.ledger.adapters import sql_store as sql

        with self._writing() as connection:
            last = sql.last_move(connection, lease.release_id)
            current = sql.lease(connection, lease.release_id)
            rules.refuse_unless_current(entry, lease, current=current, last_move=last, after=after)
            if entry.kind == rules.OPENED:
                live = sql.live_release(connection, entry.model)
                rules.refuse_second_release(entry, last_move=last, live=live)
            return self._write(connection, entry)

    def entries(
        self, *, release_id: str | None = None, model: str | None = None, after: int = 0
    ) -> Sequence[Entry]:
        from tasks.ledger.adapters import sql_store as sql

        with self._reading() as connection:
            rows = sql.rows(connection, release_id=release_id, model=model, after=after)
            return [chain.read(row.canon, row.hash) for row in rows]

    def take_lease(self, release_id: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        from tasks.ledger.adapters import sql_store as sql

        with self._writing() as connection:
            current = sql.lease(connection, release_id)
            taken = rules.next_lease(release_id, current, holder, now, ttl)
            sql.keep_lease(connection, taken, is_new=current is None)
            return taken

    def renew(self, lease: Lease, now: datetime, ttl: timedelta) -> Lease:
        from tasks.ledger.adapters import sql_store as sql

        with self._writing() as connection:
            current = sql.lease(connection, lease.release_id)
            extended = rules.renewed(lease, current, now, ttl)
            sql.keep_lease(connection, extended, is_new=False)
            return extended

    def lease_of(self, release_id: str) -> Lease | None:
        from tasks.ledger.adapters import sql_store as sql

        with self._reading() as connection:
            return sql.lease(connection, release_id)

    def verify(self) -> int:
        """The whole chain, its recorded end, and the columns that searches go by."""
        from tasks.ledger.adapters import sql_store as sql

        with self._reading() as connection:
            ending = sql.head(connection)
            reached = chain.verify(_checked(sql.rows(connection)), known=[ending])
            if reached != ending:
                raise BrokenChainError(
                    f"Entry {reached.seq} was put in without the ledger.",
                    advice="Keep the file as it is and compare it with the last export.",
                )
            return reached.seq

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _write(self, connection: Connection, entry: Entry) -> Entry:
        from tasks.ledger.adapters import sql_store as sql

        linked = chain.link(entry, sql.head(connection), self._clock())
        sql.insert_entry(connection, linked, chain.canonical(linked))
        return linked

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._opened().transaction(write=True) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._opened().transaction(write=False) as connection:
            yield connection

    def _opened(self) -> Store:
        from tasks.ledger.adapters.sql_store import Store

        with self._opening:
            if self._store is None:
                self._store = Store(self._where, self._busy_seconds)
            return self._store


def _checked(rows: Iterator[Any]) -> Iterator[tuple[str, str]]:
    """The recorded texts, once the columns beside them say the same."""
    for row in rows:
        entry = chain.read(row.canon, row.hash)
        columns = (row.seq, row.kind, row.release_id, row.model, bool(row.is_move))
        if columns != (entry.seq, entry.kind, entry.release_id, entry.model, entry.move):
            raise BrokenChainError(
                f"The search columns of entry {row.seq} were altered.",
                advice="Keep the file as it is and compare it with the last export.",
            )
        yield row.canon, row.hash
