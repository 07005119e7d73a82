"""The release page, kept up to date; and what keeps a page from being written, on the record."""

from __future__ import annotations

from contextlib import suppress

from policies.errors import SeatrialError
from tasks.documents.task import write_page
from tasks.ledger.task import Log

ABOUT = "documents"  # marks such an alert: the release itself is not in trouble


def show_page(log: Log) -> None:
    """Write the page as the ledger stands. A release goes on without it."""
    report(log, write_page(log.release_id))


def report(log: Log, fault: SeatrialError | None) -> None:
    """One alert a release for the same fault, however often it returns."""
    if fault is None:
        return
    with suppress(SeatrialError):  # a full disk may refuse the ledger too: the next move will say
        if not any(
            entry.kind == "alert" and entry.payload.get("why") == fault.message
            for entry in log.entries()
        ):
            payload = {"about": ABOUT, "why": fault.message, "advice": fault.advice}
            log.fact("alert", payload)
