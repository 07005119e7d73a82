"""What the release needs from its record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from policies.vocabulary import Entry, Lease


class Ledger(Protocol):
    """Append-only. ``LedgerError`` for any refusal, ``UnavailableError`` when unreachable."""

    def append(self, fact: Entry) -> Entry:
        """Append a fact (``move=False``). Returns it with seq, prev, hash and recorded_at."""

    def move(self, entry: Entry, lease: Lease, after: int) -> Entry:
        """Append a move of ``lease.release_id``.

        ``after`` is the seq of the last *move* of that release the caller has folded (0: none).
        ``StaleMoveError`` when the lease epoch is not the current one or another move came
        after. A move of kind ``opened`` is refused with ``LedgerError`` while another release
        of the same model is live (opened and not closed). Nothing is written when refused.
        """

    def entries(
        self, *, release_id: str | None = None, model: str | None = None, after: int = 0
    ) -> Sequence[Entry]:
        """Entries in order of seq, filtered; ``after`` excludes that seq and all before."""

    def take_lease(self, release_id: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        """Take or take over the lease: the epoch grows by one at every call.

        ``now`` is the wall clock. Renew by ``renew``.
        """

    def renew(self, lease: Lease, now: datetime, ttl: timedelta) -> Lease:
        """Extend. ``StaleMoveError`` when a higher epoch exists."""

    def lease_of(self, release_id: str) -> Lease | None: ...

    def verify(self) -> int:
        """Recompute the whole chain; returns how many entries. ``BrokenChainError`` otherwise."""
