"""What happened when, read from the ledger: every row says which entry it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from policies.vocabulary import Decision, Entry, Value


class Row(Value):
    at: datetime
    what: str
    who: str  # the actor as recorded
    seq: int  # the ledger entry


class Timeline(Value):
    """The clocks of one stopped release. Times are the world's; ``None``: not reached yet.

    ``seconds_to_zero_traffic`` is measured on the wall clock while traffic moves, so a replayed
    world does not flatter it.
    """

    began: datetime | None  # the candidate first answered users
    detected: datetime | None  # the first alarm, kill or verdict that asked for a stop
    contained: datetime | None  # the serving processes were seen without it
    resolved: datetime | None  # the release was closed
    seconds_to_detect: float | None  # detected - began
    seconds_to_contain: float | None  # contained - detected
    seconds_to_resolve: float | None  # resolved - began
    seconds_to_zero_traffic: float | None
    detected_by: str  # the actor of the first alarm
    rows: tuple[Row, ...]


def timeline(entries: Sequence[Entry]) -> Timeline:
    """Build it from one release's entries, in the order of the ledger."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    alarm = _first(ordered, _is_alarm)
    began = _at(_first(ordered, _reaches_users))
    detected = _at(alarm)
    contained = _at(_first(ordered, lambda entry: entry.kind == "contained"))
    resolved = _at(_first(ordered, lambda entry: entry.kind == "closed"))
    return Timeline(
        began=began,
        detected=detected,
        contained=contained,
        resolved=resolved,
        seconds_to_detect=_between(began, detected),
        seconds_to_contain=_between(detected, contained),
        seconds_to_resolve=_between(began, resolved),
        seconds_to_zero_traffic=_measured(ordered),
        detected_by=alarm.actor if alarm else "",
        rows=tuple(_row(entry) for entry in ordered if entry.kind in _TELLS),
    )


def _first(entries: Sequence[Entry], question: Any) -> Entry | None:
    return next((entry for entry in entries if question(entry)), None)


def _at(entry: Entry | None) -> datetime | None:
    return None if entry is None else entry.at


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def _reaches_users(entry: Entry) -> bool:
    return entry.kind == "entered" and entry.payload["plan"]["weight_bp"] > 0


def _is_alarm(entry: Entry) -> bool:
    if entry.kind == "looked":
        return bool(entry.payload["verdict"]["decision"] == Decision.ROLL_BACK)
    if entry.kind == "alert":  # a page that could not be written is no alarm about the candidate
        return entry.payload.get("about") != "documents"
    return entry.kind in ("breaker_opened", "kill", "rollback_asked", "abort_asked", "containing")


def _measured(entries: Sequence[Entry]) -> float | None:
    last = _first(list(reversed(entries)), lambda entry: entry.kind == "contained")
    seconds = last.payload.get("seconds_to_zero_traffic") if last else None
    return None if seconds is None else float(seconds)


def _row(entry: Entry) -> Row:
    return Row(at=entry.at, what=_TELLS[entry.kind](entry.payload), who=entry.actor, seq=entry.seq)


def _looked(data: Mapping[str, Any]) -> str:
    verdict = data["verdict"]
    return f"Look {data['look']} at {data['step']}: {verdict['decision']}. {verdict['reason']}"


def _words(alert: Mapping[str, Any]) -> str:
    said = alert.get("what") or alert.get("why") or alert.get("reason") or "no text"
    return str(said).rstrip(".") + "."


def _contained(data: Mapping[str, Any]) -> str:
    seconds = data.get("seconds_to_zero_traffic")
    took = "" if seconds is None else f" after {float(seconds):.1f} s"
    return f"Every serving process was seen without the candidate{took}."


_TELLS: Mapping[str, Any] = MappingProxyType(
    {
        "opened": lambda data: f"Release of version {data['version']} opened.",
        "entered": lambda data: (
            f"{data['step']['name']} begins with {data['plan']['weight_bp'] / 100:g} % of traffic."
        ),
        "looked": _looked,
        "granted": lambda data: f"Sign-offs for {data['gate']} complete.",
        "alert": lambda data: f"Alert: {_words(data)}",
        "breaker_opened": lambda data: (
            f"The circuit breaker of {data['replica']} opened: {data['why']}."
        ),
        "kill": lambda data: f"Killed: {data.get('reason', 'no reason given')}.",
        "rollback_asked": lambda data: f"Rollback asked: {data.get('reason', 'no reason given')}.",
        "abort_asked": lambda data: f"Abort asked: {data.get('reason', 'no reason given')}.",
        "containing": lambda data: f"Containment begins: {data['reason']}",
        "contained": _contained,
        "quarantined": lambda data: "The artefact is quarantined.",
        "incident": lambda data: f"Incident {data['incident_id']} opened as {data['severity']}.",
        "restore": lambda data: "The model was restored to service.",
        "closed": lambda data: f"The release is closed: {data['outcome']}.",
    }
)
