"""The ledger's nodes on the release graph, and the recorder that the flow carries along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from policies.errors import StaleMoveError
from policies.lifecycle import Release
from policies.vocabulary import Lease
from tasks.connections import current
from tasks.ledger.record import note, recall, record

LEASE = timedelta(minutes=10)


@dataclass(frozen=True)
class Log:
    """Writes one release's moves with the lease this run holds."""

    lease: Lease
    model: str

    @property
    def release_id(self) -> str:
        return self.lease.release_id

    def state(self) -> Release:
        return recall(current().ledger, self.release_id)

    def now(self) -> datetime:
        """The world's time for this model."""
        return current().clock.now(self.model)

    def move(self, state: Release, kind: str, payload: Mapping[str, Any]) -> Release:
        """Append a move after the last one folded into ``state``."""
        world = current()
        return record(
            world.ledger, self.lease, state, kind, payload, at=self.now(), model=self.model
        )

    def fact(self, kind: str, payload: Mapping[str, Any], actor: str = "system:release") -> None:
        note(
            current().ledger,
            kind,
            payload,
            at=self.now(),
            actor=actor,
            release_id=self.release_id,
            model=self.model,
        )

    def is_mine(self) -> bool:
        """Whether no other run has taken the release over."""
        lease = current().ledger.lease_of(self.release_id)
        return lease is not None and lease.epoch == self.lease.epoch

    def renewed(self) -> Log:
        """The same log with the lease extended; ``StaleMoveError`` when it is lost."""
        if not self.is_mine():
            raise StaleMoveError(
                f"Another run has taken over release {self.release_id}.",
                advice="Nothing to do: this run ends, the other goes on.",
            )
        lease = current().ledger.renew(self.lease, datetime.now(UTC), LEASE)
        return Log(lease=lease, model=self.model)


def take(release_id: str, model: str, holder: str) -> Log:
    """Take the lease of a release (or take it over: the run before is fenced off)."""
    lease = current().ledger.take_lease(release_id, holder, datetime.now(UTC), LEASE)
    return Log(lease=lease, model=model)
