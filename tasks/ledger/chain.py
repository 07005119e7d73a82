"""The hash chain: each entry carries the hash of the one before it.

What is hashed is the RFC 8785 text of the whole entry except its own hash, so it includes
``seq`` and ``prev``. Edited, swapped and removed entries break the chain. A removed tail and a
chain rewritten from some point on do not, by themselves: they show against a ``Head`` that was
written down elsewhere, which is why ``verify`` takes the heads that are known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import rfc8785
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from policies.errors import BrokenChainError, LedgerError
from policies.vocabulary import Entry

LARGEST_EXACT_INT = 2**53 - 1  # beyond it RFC 8785 knows only floats
_ADVICE = (
    "Change nothing: keep the ledger file as it is, stop releasing, and compare it with the last "
    "export or backup."
)


@dataclass(frozen=True, order=True)
class Head:
    """The last entry of a ledger at some moment. Kept elsewhere it proves all before it."""

    seq: int
    hash: str


START = Head(0, "sha256:" + "0" * 64)


def canonical(entry: Entry) -> str:
    """The text that is hashed. NaN, infinities and naive times are refused, never changed."""
    document = entry.model_dump(mode="json", exclude={"hash", "payload", "at", "recorded_at"})
    document["at"] = _in_utc(entry.at, entry)
    document["recorded_at"] = (
        None if entry.recorded_at is None else _in_utc(entry.recorded_at, entry)
    )
    try:
        document["payload"] = to_jsonable_python(entry.payload, inf_nan_mode="constants")
        return rfc8785.dumps(document).decode()
    except (rfc8785.CanonicalizationError, PydanticSerializationError, RecursionError) as error:
        raise LedgerError(
            f"An entry of kind '{entry.kind}' cannot be recorded: {error}.",
            advice="Payloads are JSON: finite numbers, whole numbers below 2^53, text, lists.",
        ) from error


def hash_of(text: str) -> str:
    return "sha256:" + sha256(text.encode()).hexdigest()


def link(entry: Entry, head: Head, recorded_at: datetime) -> Entry:
    """The entry as it stands in the chain after ``head``, exactly as it will be read back."""
    placed = entry.model_copy(
        update={"seq": head.seq + 1, "prev": head.hash, "recorded_at": recorded_at}
    )
    text = canonical(placed)
    return read(text, hash_of(text))


def read(text: str, stored_hash: str) -> Entry:
    """The entry behind a recorded text. ``BrokenChainError`` when the text is not what was hashed.

    This proves one entry only; ``verify`` proves its place.
    """
    if hash_of(text) != stored_hash:
        raise BrokenChainError(
            f"{_called(text)} was altered after it was recorded.", advice=_ADVICE
        )
    try:
        return Entry.model_validate({**_parsed(text), "hash": stored_hash})
    except ValidationError as error:
        raise LedgerError(
            f"{_called(text)} cannot be read by this version.",
            advice="It was written by a newer Seatrial: update this one.",
        ) from error


def verify(records: Iterable[tuple[str, str]], known: Iterable[Head] = ()) -> Head:
    """Walk (text, hash) pairs from the first entry on; returns the head that was reached.

    Works on the recorded texts, so a ledger of an older version verifies for ever.
    """
    head = START
    expected = {each.seq: each.hash for each in known if each.seq > 0}
    for text, stored_hash in records:
        head = _follow(head, text, stored_hash)
        if expected.pop(head.seq, head.hash) != head.hash:
            raise BrokenChainError(
                f"Entry {head.seq} is not the one that was known: the ledger was rewritten.",
                advice=_ADVICE,
            )
    if expected:
        raise BrokenChainError(
            f"The ledger ends at entry {head.seq}, but entry {max(expected)} is known to have "
            "been recorded.",
            advice=_ADVICE,
        )
    return head


def verify_entries(entries: Iterable[Entry], known: Iterable[Head] = ()) -> Head:
    """``verify`` for entries in memory."""
    return verify(((canonical(entry), entry.hash) for entry in entries), known)


def _follow(head: Head, text: str, stored_hash: str) -> Head:
    if hash_of(text) != stored_hash:
        raise BrokenChainError(
            f"{_called(text)} was altered after it was recorded.", advice=_ADVICE
        )
    place = _parsed(text)
    if place.get("seq") != head.seq + 1:
        raise BrokenChainError(
            f"Entry {head.seq + 1} is missing or out of order: entry {place.get('seq')} stands "
            "in its place.",
            advice=_ADVICE,
        )
    if place.get("prev") != head.hash:
        raise BrokenChainError(
            f"Entry {head.seq + 1} does not follow the entry before it.", advice=_ADVICE
        )
    return Head(head.seq + 1, stored_hash)


def _in_utc(moment: datetime, entry: Entry) -> str:
    if moment.tzinfo is None:
        raise LedgerError(
            f"An entry of kind '{entry.kind}' has a time without a time zone.",
            advice="Pass timezone-aware times, in UTC where there is a choice.",
        )
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _parsed(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_int=_number)
    except ValueError as error:
        raise BrokenChainError("An entry is not readable text.", advice=_ADVICE) from error
    if not isinstance(document, dict):
        raise BrokenChainError("An entry is not a record.", advice=_ADVICE)
    return document


def _number(digits: str) -> int | float:
    # 1e16 is written as 10000000000000000; read back as a whole number it could not be
    # written again.
    value = int(digits)
    return value if abs(value) <= LARGEST_EXACT_INT else float(digits)


def _altered(text: str) -> BrokenChainError:
    return BrokenChainError(f"{_called(text)} was altered after it was recorded.", advice=_ADVICE)


def _called(text: str) -> str:
    try:
        return f"Entry {json.loads(text)['seq']}"
    except (ValueError, KeyError, TypeError):
        return "An entry"
