"""One look as a file: what somebody without the ledger needs to recompute its verdict.

It holds two ledger entries word for word: the one that opened the release (the policy, the
versions of the code) and the look (the evidence with its windows, the verdict). What an entry's
hash covers is the entry itself, so nothing in the file stands outside of a hash.
`docs/reference/evidence-format.md` describes every field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from policies.errors import EvidenceError
from policies.faults import dotted, read_as
from policies.schema import ReleasePolicy
from policies.vocabulary import Digest, Entry, Evidence, Value, Verdict
from tasks.evidence.digest import digest_of_json

FORMAT = "seatrial-evidence"
FORMAT_VERSION = "1"
LARGEST_BYTES = 16_000_000  # half a year of hours, of ten guardrails
LARGEST_EXACT_INT = 2**53 - 1
MOST_FAULTS = 8  # told; the first ones are the ones to look at
_WRITE_AGAIN = "Write it again from the ledger: seatrial why RELEASE --evidence FILE"


class _Part(BaseModel):
    """What is read of an entry; what else it says is kept, and covered by its hash."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Opening(_Part):
    model: str
    version: str
    policy_digest: Digest
    policy_document: ReleasePolicy
    versions: dict[str, str]


class Looking(_Part):
    step: str
    stage: str
    look: int = Field(ge=1)
    evidence: tuple[Evidence, ...]
    evidence_digest: Digest
    verdict: Verdict


class _Entry(_Part):
    seq: int = Field(ge=1)
    release_id: str
    model: str
    at: datetime
    hash: Digest


class OpenedEntry(_Entry):
    kind: Literal["opened"]
    payload: Opening


class LookedEntry(_Entry):
    kind: Literal["looked"]
    payload: Looking


class EvidenceFile(Value):
    """The file, read. ``opened`` and ``looked`` are entries of one release."""

    format: Literal["seatrial-evidence"]
    format_version: Literal["1"]
    opened: OpenedEntry
    looked: LookedEntry


@dataclass(frozen=True)
class Read:
    """The file as values, and as the plain JSON that its hashes are over."""

    file: EvidenceFile
    plain: Mapping[str, Any]


def evidence_of(entries: Sequence[Entry], seq: int | None = None) -> str:
    """The file's text for the look recorded as entry ``seq``; without it, for the last look.

    The same entries always give the same text. ``EvidenceError`` when there is no such look, or
    when an entry is not what its hash says.
    """
    opened = next((entry for entry in entries if entry.kind == "opened"), None)
    looks = [entry for entry in entries if entry.kind == "looked"]
    look = next((entry for entry in reversed(looks) if seq in (None, entry.seq)), None)
    if opened is None or look is None:
        told = ", ".join(str(entry.seq) for entry in looks) or "none yet"
        raise EvidenceError(
            "There is no look to write." if seq is None else f"Entry {seq} is no look.",
            advice=f"The looks of this release are the entries: {told}.",
        )
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "opened": _recorded(opened),
        "looked": _recorded(look),
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _recorded(entry: Entry) -> dict[str, Any]:
    """The entry as the ledger hashed it, with its hash."""
    document = entry.model_dump(mode="json", exclude={"hash", "payload", "at", "recorded_at"})
    document |= {"payload": entry.payload, "at": _in_utc(entry.at)}
    document["recorded_at"] = _in_utc(entry.recorded_at) if entry.recorded_at else None
    if digest_of_json(document) != entry.hash:
        raise EvidenceError(
            f"Entry {entry.seq} is not what its hash says.",
            advice="`seatrial doctor` verifies the ledger. Change nothing until it is understood.",
        )
    return {**document, "hash": entry.hash}


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read_evidence(data: bytes) -> Read:
    """Read a file's bytes; ``EvidenceError`` for anything that is not such a file."""
    if len(data) > LARGEST_BYTES:
        raise EvidenceError(
            f"The file is larger than {LARGEST_BYTES / 1e6:g} MB: it is no evidence file.",
            advice=_WRITE_AGAIN,
        )
    plain = _json(data)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise EvidenceError(
            f'This is no evidence file: it does not say \'"format": "{FORMAT}"\'.',
            advice=_WRITE_AGAIN,
        )
    if (version := plain.get("format_version")) != FORMAT_VERSION:
        raise EvidenceError(
            f"The file has format version {version!r}; this code reads version {FORMAT_VERSION!r}.",
            advice="Judge it with the Seatrial it was written by, or write it again: "
            "seatrial why RELEASE --evidence FILE",
        )
    file, faults = read_as(plain, EvidenceFile)
    if file is None:
        lines = [f"{dotted(where)} {what}" for where, what in faults]
        more = f" And {len(lines) - MOST_FAULTS} more." if len(lines) > MOST_FAULTS else ""
        raise EvidenceError(
            f"The evidence file is malformed: {' '.join(lines[:MOST_FAULTS])}{more}",
            advice=_WRITE_AGAIN,
        )
    return Read(file, plain)


def _json(data: bytes) -> Any:
    try:
        plain = json.loads(
            data.decode("utf-8"),
            parse_int=_whole,
            parse_float=_number,
            parse_constant=_number,
            object_pairs_hook=_fields,
        )
        rfc8785.dumps(plain)  # what cannot be hashed cannot be judged
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise EvidenceError(
            f"The evidence file is not readable JSON: {what[:200]}.", advice=_WRITE_AGAIN
        ) from error
    return plain


def _whole(digits: str) -> int | float:
    """As the ledger reads whole numbers: beyond 2^53 they are floats."""
    value = int(digits)
    return value if abs(value) <= LARGEST_EXACT_INT else _number(digits)


def _number(text: str) -> float:
    value = float(text.replace("Infinity", "inf"))
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} stands where a finite number should")
    return value


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the field {name[:40]!r} stands twice in one block")
        found[name] = value
    return found
