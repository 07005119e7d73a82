"""A ledger that lives as long as its process: rehearsals and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock

from policies.vocabulary import Entry, Lease
from tasks.ledger import chain, rules


def wall_clock() -> datetime:
    return datetime.now(UTC)


class MemoryLedger:
    def __init__(self, *, clock: Callable[[], datetime] = wall_clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []
        self._leases: dict[str, Lease] = {}
        self._lock = Lock()

    def append(self, fact: Entry) -> Entry:
        rules.refuse_unless_fact(fact)
        with self._lock:
            return self._write(fact)

    def move(self, entry: Entry, lease: Lease, after: int) -> Entry:
        with self._lock:
            last = self._last_move(lease.release_id)
            current = self._leases.get(lease.release_id)
            rules.refuse_unless_current(entry, lease, current=current, last_move=last, after=after)
            if entry.kind == rules.OPENED:
                live = self._live(entry.model)
                rules.refuse_second_release(entry, last_move=last, live=live)
            return self._write(entry)

    def entries(
        self, *, release_id: str | None = None, model: str | None = None, after: int = 0
    ) -> Sequence[Entry]:
        return [
            entry.model_copy(deep=True)  # payloads are dictionaries; nobody edits the record
            for entry in self._entries[max(after, 0) :]
            if release_id in (None, entry.release_id) and model in (None, entry.model)
        ]

    def take_lease(self, release_id: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        with self._lock:
            lease = rules.next_lease(release_id, self._leases.get(release_id), holder, now, ttl)
            self._leases[release_id] = lease
            return lease

    def renew(self, lease: Lease, now: datetime, ttl: timedelta) -> Lease:
        with self._lock:
            extended = rules.renewed(lease, self._leases.get(lease.release_id), now, ttl)
            self._leases[lease.release_id] = extended
            return extended

    def lease_of(self, release_id: str) -> Lease | None:
        return self._leases.get(release_id)

    def verify(self) -> int:
        return chain.verify_entries(self._entries).seq

    def _write(self, entry: Entry) -> Entry:
        head = (
            chain.Head(self._entries[-1].seq, self._entries[-1].hash)
            if self._entries
            else chain.START
        )
        linked = chain.link(entry, head, self._clock())
        self._entries.append(linked)
        return linked.model_copy(deep=True)

    def _last_move(self, release_id: str) -> int:
        moves = (e.seq for e in self._entries if e.move and e.release_id == release_id)
        return max(moves, default=0)

    def _live(self, model: str | None) -> str | None:
        moves = [e for e in self._entries if e.move]
        closed = {e.release_id for e in moves if e.kind == rules.CLOSED}
        opened = (e for e in moves if e.kind == rules.OPENED and e.model == model)
        return next((e.release_id for e in opened if e.release_id not in closed), None)
