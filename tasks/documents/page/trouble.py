"""What went wrong around the release: its incident, and what could not be done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from policies.vocabulary import Entry, Value


class Trouble(Value):
    """The incident, how bad it is and who was called."""

    incident_id: str
    severity: str
    severity_reason: str
    title: str
    reason: str
    on_call: str
    runbook: str
    opened_at: datetime
    called: tuple[str, ...]  # where a page was sent to


class Alert(Value):
    seq: int
    at: datetime
    why: str
    advice: str


def trouble(entries: Sequence[Entry]) -> Trouble | None:
    opened = next((entry for entry in entries if entry.kind == "incident"), None)
    if opened is None:
        return None
    data = opened.payload
    called = [
        str(entry.payload.get("where", ""))
        for entry in entries
        if entry.kind == "notified" and entry.payload.get("incident_id") == data["incident_id"]
    ]
    told = {name: str(data.get(name, "")) for name in Trouble.model_fields if name != "called"}
    return Trouble.model_validate(told | {"called": tuple(called)})


def alerts(entries: Sequence[Entry]) -> tuple[Alert, ...]:
    return tuple(
        Alert(
            seq=entry.seq,
            at=entry.at,
            why=_said(entry.payload),
            advice=str(entry.payload.get("advice", "")),
        )
        for entry in entries
        if entry.kind == "alert"
    )


def _said(data: dict[str, Any]) -> str:
    names = ("why", "title", "reason", "what")
    return next((str(data[name]) for name in names if data.get(name)), "It says no more.")
