"""Who asked, who signed as what with which key, who refused, who stopped it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from policies.vocabulary import Decision, Entry, Value
from tasks.documents.page import words

Weight = Literal["", "consent", "refusal", "stop"]


class Act(Value):
    """One thing that a person did, or that was done in a person's place."""

    seq: int
    at: datetime
    who: str
    what: str
    note: str = ""
    words: str = ""  # what they said
    key: str = ""
    weight: Weight = ""


class Asking(Value):
    """The request that votes count for at one moment."""

    request_id: str | None = None
    gate: str = ""


def acts(entries: Sequence[Entry]) -> tuple[Act, ...]:
    """In the order of the ledger; a vote that no open request waited for says so."""
    found: list[Act] = []
    asking = Asking()
    for entry in entries:
        asking = _asking(asking, entry)
        teller = _TELLERS.get(entry.kind)
        if teller is not None:
            found.append(teller(entry, asking))
    return tuple(found)


def _asking(before: Asking, entry: Entry) -> Asking:
    """As the lifecycle has it: a look that no longer passes voids what was asked."""
    if entry.kind == "asked":
        request = entry.payload["request"]
        return Asking(request_id=request["request_id"], gate=request["gate"])
    failed = entry.kind == "looked" and entry.payload["verdict"]["decision"] != Decision.PASS.value
    return Asking() if failed or entry.kind in ("granted", "containing") else before


def _act(entry: Entry, what: str, **more: Any) -> Act:
    who = "Seatrial" if entry.actor.startswith("system:") else entry.actor
    return Act.model_validate({"seq": entry.seq, "at": entry.at, "who": who, "what": what} | more)


def _opened(entry: Entry, _: Asking) -> Act:
    data = entry.payload
    trainer = (data.get("artefact") or {}).get("trainer")
    trained = f"; trained by {trainer}" if trainer else ""
    what = f"asked for this release under the policy {data['policy']}{trained}"
    return _act(entry, what, who=data["requester"])


def _asked(entry: Entry, _: Asking) -> Act:
    request = entry.payload["request"]
    roles = ", ".join(f"{count} × {role}" for role, count in sorted(request["roles"].items()))
    until = words.moment(datetime.fromisoformat(request["expires_at"]))
    said = f"request {request['request_id']}, until {until}"
    return _act(entry, f"asked {roles} to open {request['gate']}", note=said)


def _vote(entry: Entry, asking: Asking) -> Act:
    vote = entry.payload["sign_off"]
    refused = vote["decision"] == "refuse"
    counts = vote["request_id"] == asking.request_id
    gate = f"to open {asking.gate}" if counts else f"({vote['request_id']})"
    late = "" if counts else "; it did not count: nothing was being asked under that request"
    word = "refused" if refused else "signed"
    return _act(
        entry,
        f"{word} as {vote['role']} {gate}{late}",
        who=vote["person"],
        words=vote.get("comment", ""),
        key=vote.get("key_id", ""),
        weight="refusal" if refused else "consent",
    )


def _stopped(what: str) -> Callable[[Entry, Asking], Act]:
    def tell(entry: Entry, _: Asking) -> Act:
        said = str(entry.payload.get("reason", "no reason given"))
        return _act(entry, what, words=said, weight="stop")

    return tell


def _plain(what: str) -> Callable[[Entry, Asking], Act]:
    return lambda entry, _: _act(entry, what, words=str(entry.payload.get("reason", "")))


_TELLERS: Mapping[str, Callable[[Entry, Asking], Act]] = MappingProxyType(
    {
        "opened": _opened,
        "asked": _asked,
        "vote": _vote,
        "granted": lambda entry, _: _act(
            entry, f"opened {entry.payload['gate']}: every sign-off was there"
        ),
        "kill": _stopped("took the model out of service"),
        "rollback_asked": _stopped("asked for a rollback"),
        "abort_asked": _stopped("asked for the release to be aborted"),
        "restore": _plain("let the model serve again"),
        "tampered": lambda entry, _: _act(
            entry,
            "found the candidate's registered files changed since they were evaluated",
            note=str(entry.payload.get("found", "")),
            weight="stop",
        ),
        "breaker_opened": lambda entry, _: _act(
            entry,
            "saw a circuit breaker take the candidate out of traffic",
            note=f"{entry.payload.get('replica', '')}: {entry.payload.get('why', '')}",
            weight="stop",
        ),
        "quarantined": _plain("quarantined the candidate's files"),
        "quarantine_lifted": _plain("lifted the quarantine"),
        "containing": _plain("began to take the candidate out of traffic"),
        "promoted": _plain("made the candidate the champion"),
    }
)
