"""When a model's risk has to be judged anew: by the calendar, and at once after grave harm."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import datetime

from policies.vocabulary import Entry, Value

GRAVE = ("SEV1", "SEV2")


class Due(Value):
    """A review that is due. ``since``: when the risk was judged last, or the model began."""

    since: datetime
    why: str


def review_due(months: int, entries: Sequence[Entry], now: datetime) -> Due | None:
    """From a model's own entries. ``None``: not due, or told already and not yet reviewed."""
    began = last_review(entries)
    if began is None:
        return None
    later = [entry for entry in entries if entry.seq > began.seq]
    if any(entry.kind == "risk_review_due" for entry in later):
        return None
    grave = [e for e in later if e.kind == "incident" and e.payload.get("severity") in GRAVE]
    if grave:
        worst = min(str(e.payload["severity"]) for e in grave)
        first = f"{grave[0].at:%Y-%m-%d}"
        return Due(since=began.at, why=f"A {worst} incident since its last review ({first}).")
    if now < months_after(began.at, months):
        return None
    reviewed = began.kind == "risk_reviewed"
    what = "Last reviewed on" if reviewed else "Never reviewed, and in service since"
    why = f"{what} {began.at:%Y-%m-%d}; the policy asks every {months} months."
    return Due(since=began.at, why=why)


def last_review(entries: Sequence[Entry]) -> Entry | None:
    """The last review, else the entry with which the model first came into service."""
    reviews = [entry for entry in entries if entry.kind == "risk_reviewed"]
    if reviews:
        return reviews[-1]
    return next((entry for entry in entries if entry.kind in ("adopted", "promoted")), None)


def months_after(moment: datetime, months: int) -> datetime:
    """The same day of the month, or the month's last day where it has no such day."""
    ahead = moment.month - 1 + months
    year, month = moment.year + ahead // 12, ahead % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
