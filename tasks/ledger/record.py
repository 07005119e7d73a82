"""Reading and writing one release's entries through the port."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policies.errors import RefusedError
from policies.lifecycle import Release, check_move, fold
from policies.vocabulary import Entry, Lease, TrafficVariant, Trial, Value
from tasks.ledger.ports import Ledger

RELEASE_ACTOR = "system:release"


def recall(ledger: Ledger, release_id: str) -> Release:
    """The release as its entries tell it."""
    return fold(ledger.entries(release_id=release_id))


def known(ledger: Ledger, release_id: str) -> Release:
    """Like ``recall``; ``RefusedError`` when no such release was ever opened."""
    state = recall(ledger, release_id)
    if not state.release_id:
        raise RefusedError(
            f"There is no release {release_id} on the ledger.",
            advice="`seatrial status` lists the releases.",
        )
    return state


def live_releases(ledger: Ledger, model: str | None = None) -> tuple[Release, ...]:
    """Every release opened and not closed, oldest first."""
    opened = [e for e in ledger.entries(model=model) if e.kind == "opened" and e.release_id]
    states = (recall(ledger, entry.release_id or "") for entry in opened)
    return tuple(state for state in states if state.is_live)


def undocumented(ledger: Ledger) -> tuple[Release, ...]:
    """Closed releases without a document on record: their run was lost in its last seconds."""
    entries = ledger.entries()
    written = {entry.release_id for entry in entries if entry.kind == "document"}
    closed = (e.release_id for e in entries if e.kind == "closed" and e.release_id not in written)
    return tuple(recall(ledger, release_id or "") for release_id in closed)


def record(
    ledger: Ledger,
    lease: Lease,
    state: Release,
    kind: str,
    payload: Mapping[str, Any],
    *,
    at: datetime,
    model: str = "",
    actor: str = RELEASE_ACTOR,
) -> Release:
    """Append a move and return the state after it.

    ``IllegalMoveError`` before anything is written when the lifecycle forbids it.
    """
    check_move(state, kind)
    entry = Entry(
        kind=kind,
        move=True,
        release_id=lease.release_id,
        model=model or state.model,
        actor=actor,
        at=at,
        payload=dict(payload),
    )
    ledger.move(entry, lease, after=state.last_move)
    return recall(ledger, lease.release_id)


def note(
    ledger: Ledger,
    kind: str,
    payload: Mapping[str, Any],
    *,
    at: datetime,
    actor: str,
    release_id: str | None = None,
    model: str | None = None,
) -> Entry:
    """Append a fact."""
    return ledger.append(
        Entry(
            kind=kind,
            release_id=release_id,
            model=model,
            actor=actor,
            at=at,
            payload=dict(payload),
        )
    )


def quarantined(ledger: Ledger, digest: str) -> str | None:
    """Why this artefact may not be released again; ``None`` when it may."""
    why: str | None = None
    for entry in ledger.entries():
        if entry.kind == "quarantined" and entry.payload.get("digest") == digest:
            why = str(entry.payload.get("reason", "rolled back"))
        if entry.kind == "quarantine_lifted" and entry.payload.get("digest") == digest:
            why = None
    return why


def refuse_quarantined(ledger: Ledger, variant: TrafficVariant) -> None:
    """``RefusedError`` for files that were rolled back and that nobody has cleared since."""
    if (why := quarantined(ledger, variant.digest)) is not None:
        raise RefusedError(
            f"{variant.ref} is quarantined: {why}",
            advice="Look into it; then lift the quarantine on the record: "
            f"seatrial lift {variant.ref.model} {variant.ref.version} --reason WHY",
        )


def trials(ledger: Ledger) -> tuple[Trial, ...]:
    """When each release stood at which step: from its intent to enter to what followed."""
    opened: dict[str, tuple[str | None, str]] = {}
    found: list[Trial] = []
    for entry in ledger.entries():
        if not entry.move or entry.release_id is None:
            continue
        if entry.kind == "opened":
            champion = entry.payload.get("champion") or {}
            version = champion.get("ref", {}).get("version")
            opened[entry.release_id] = (version, str(entry.payload["version"]))
        if entry.kind in ("entering", "containing", "promoting", "closed"):
            found = [_ended(trial, entry) for trial in found]
        if entry.kind == "entering" and entry.release_id in opened:
            found.append(_begun(entry, *opened[entry.release_id]))
    return tuple(found)


def _ended(trial: Trial, entry: Entry) -> Trial:
    over = trial.release_id == entry.release_id and trial.end is None
    return trial.model_copy(update={"end": entry.at}) if over else trial


def _begun(entry: Entry, champion: str | None, candidate: str) -> Trial:
    return Trial(
        release_id=entry.release_id or "",
        model=entry.model or "",
        champion=champion,
        candidate=candidate,
        step=entry.payload["step"]["name"],
        weight_bp=entry.payload["plan"]["weight_bp"],
        start=entry.at,
    )


class Expected(Value):
    """What the ledger says a model serves; ``None``: a baseline rule."""

    model: str
    digest: str | None
    release_id: str | None = None  # the release that put it there; None: adopted
    policy: str | None = None  # by name, of the model's last release
    live: bool = False  # a release of the model is under way
    since: datetime | None = None  # when it was put in service
    opened_at: datetime | None = None  # when the release that put it there began; else ``since``


def champions(ledger: Ledger) -> tuple[Expected, ...]:
    """The digest each model should serve: what was adopted or promoted last."""
    last: dict[str, Expected] = {}
    before: dict[str, Expected] = {}  # what a promotion replaced, until its release has closed
    policies: dict[str, str] = {}
    live: dict[str, str | None] = {}
    began: dict[str | None, datetime] = {}
    for entry in ledger.entries():
        model = entry.model
        if model is None:
            continue
        if entry.kind == "opened":
            policies[model], live[model] = str(entry.payload.get("policy")), entry.release_id
            began[entry.release_id] = entry.at
        if entry.kind == "contained" and model in before:
            last[model] = before.pop(model).model_copy(update={"since": entry.at})
        if entry.kind == "closed":
            before.pop(model, None)
            live.pop(model, None)
        if entry.kind == "adopted":
            last[model] = Expected(
                model=model,
                digest=entry.payload.get("digest"),
                since=entry.at,
                opened_at=entry.at,
            )
        elif entry.kind == "promoted":
            before[model] = last.get(model, Expected(model=model, digest=None))
            digest = (entry.payload["plan"].get("champion") or {}).get("digest")
            last[model] = Expected(
                model=model,
                digest=digest,
                release_id=entry.release_id,
                since=entry.at,
                opened_at=began.get(entry.release_id),
            )
    return tuple(
        known.model_copy(update={"policy": policies.get(model), "live": model in live})
        for model, known in sorted(last.items())
    )
