"""What the ledger refuses. One text for every adapter, asked inside the write lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from policies.errors import LedgerError, StaleMoveError
from policies.vocabulary import Entry, Lease

OPENED = "opened"
CLOSED = "closed"
_FOLD_AGAIN = "Fold the ledger again and decide again; nothing was recorded."


def refuse_unless_fact(entry: Entry) -> None:
    if entry.move:
        raise LedgerError(
            f"'{entry.kind}' is a move and was appended as a fact.",
            advice="Moves need the release's lease.",
        )


def refuse_unless_current(
    entry: Entry, lease: Lease, *, current: Lease | None, last_move: int, after: int
) -> None:
    """A move needs its own release, the current lease epoch, and the last move as its ground."""
    if not entry.move or entry.release_id != lease.release_id:
        raise LedgerError(
            f"'{entry.kind}' is not a move of release {lease.release_id}.",
            advice="Set move=True and the release_id that the lease is for.",
        )
    refuse_unless_held(lease, current)
    if after != last_move:
        raise StaleMoveError(
            f"Release {lease.release_id} has moved to entry {last_move} since entry {after} "
            "was read.",
            advice=_FOLD_AGAIN,
        )


def refuse_unless_held(lease: Lease, current: Lease | None) -> None:
    if current is None or current.epoch != lease.epoch:
        holder = "nobody" if current is None else current.holder
        raise StaleMoveError(
            f"The lease of release {lease.release_id} is no longer held by {lease.holder}: it "
            f"is held by {holder}.",
            advice="Stop this run; whoever holds the lease carries on.",
        )


def refuse_second_release(entry: Entry, *, last_move: int, live: str | None) -> None:
    """One live release a model. ``live`` is the release of the model opened and not closed."""
    if entry.model is None:
        raise LedgerError("A release cannot open without a model.", advice="Name the model.")
    if last_move:
        raise LedgerError(
            f"Release {entry.release_id} has been opened before.",
            advice="A release opens once: launch a new one.",
        )
    if live is not None:
        raise LedgerError(
            f"Release {live} of {entry.model} is still open.",
            advice=f"See it with `seatrial why {live}`; wait for its end or abort it first.",
        )


def next_lease(
    release_id: str, current: Lease | None, holder: str, now: datetime, ttl: timedelta
) -> Lease:
    return Lease(
        release_id=release_id,
        epoch=1 if current is None else current.epoch + 1,
        holder=holder,
        expires_at=_until(now, ttl),
    )


def renewed(lease: Lease, current: Lease | None, now: datetime, ttl: timedelta) -> Lease:
    refuse_unless_held(lease, current)
    return lease.model_copy(update={"expires_at": _until(now, ttl)})


def _until(now: datetime, ttl: timedelta) -> datetime:
    if now.tzinfo is None:
        raise LedgerError("A lease needs a time with a time zone.", advice="Pass UTC.")
    return (now + ttl).astimezone(UTC)
