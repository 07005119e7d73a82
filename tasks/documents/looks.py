"""The looks of a release as its ledger entries recorded them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from policies.errors import EvidenceError
from policies.lifecycle import Release, fold
from policies.vocabulary import Artefact, Entry, Evidence, Stage, Value, Verdict


class Look(Value):
    step: str
    stage: str
    number: int
    at: datetime | None = None
    seq: int = 0
    evidence: tuple[Evidence, ...]
    evidence_digest: str
    verdict: Verdict
    next_look: datetime | None = None


def look_of(payload: Mapping[str, Any], at: datetime | None = None, seq: int = 0) -> Look:
    """Read one ``looked`` payload."""
    return Look(
        step=payload["step"],
        stage=payload["stage"],
        number=payload["look"],
        at=at,
        seq=seq,
        evidence=tuple(Evidence.model_validate(item) for item in payload["evidence"]),
        evidence_digest=payload["evidence_digest"],
        verdict=Verdict.model_validate(payload["verdict"]),
        next_look=payload.get("next_look"),
    )


def last_look_by_step(entries: Sequence[Entry]) -> dict[str, Look]:
    """The last look of every step, in the order in which steps were reached.

    A release may have thousands of looks; the last one of a step is the one it ended on.
    """
    last = {entry.payload["step"]: entry for entry in entries if entry.kind == "looked"}
    return {
        step: look_of(entry.payload, entry.at, entry.seq)
        for step, entry in sorted(last.items(), key=lambda pair: pair[1].seq)
    }


def staging_look(looks: Mapping[str, Look]) -> Look | None:
    return next((look for look in looks.values() if look.stage == Stage.STAGING), None)


def release_of(entries: Sequence[Entry]) -> tuple[Release, Artefact]:
    """The folded release and its artefact; entries without an opened release are refused."""
    state = fold(entries)
    if state.artefact is None:
        raise EvidenceError(
            "These entries open no release: there is nothing to document.",
            advice="Check the release's id with seatrial status.",
        )
    return state, state.artefact
