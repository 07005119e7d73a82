from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import BrokenChainError, LedgerError
from policies.vocabulary import Entry
from tasks.ledger import chain
from tasks.ledger.chain import START, Head
from tests.unit.letters import LETTERS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(LETTERS, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PAYLOADS = st.dictionaries(TEXT, VALUES, max_size=3)


def grow(payloads: list[dict[str, Any]]) -> list[Entry]:
    head, entries = START, []
    for n, payload in enumerate(payloads):
        entry = Entry(kind="alert", actor="a", at=NOW + timedelta(days=n), payload=payload)
        entries.append(chain.link(entry, head, NOW))
        head = Head(entries[-1].seq, entries[-1].hash)
    return entries


FEW = settings(
    max_examples=settings.default.max_examples // 2, deadline=None
)  # each example builds and walks a whole chain
CHAINS = st.lists(PAYLOADS, min_size=2, max_size=5).map(grow)


def test_no_entries_are_a_whole_chain() -> None:
    """An empty ledger verifies, unless it is known to have held something."""
    assert chain.verify([]) == START
    assert chain.verify([], known=[START]) == START
    with pytest.raises(BrokenChainError):
        chain.verify([], known=[Head(1, "sha256:" + "1" * 64)])


def test_the_hash_of_a_known_entry_never_changes() -> None:
    """Old ledgers verify for ever: this text and this hash are fixed."""
    (entry,) = grow([{"n": 1.0, "ü": [True, None]}])
    assert chain.canonical(entry) == (
        '{"actor":"a","at":"2026-01-01T00:00:00.000000+00:00","kind":"alert","model":null,'
        '"move":false,"payload":{"n":1,"ü":[true,null]},"prev":"sha256:' + "0" * 64 + '",'
        '"recorded_at":"2026-01-01T00:00:00.000000+00:00","release_id":null,"seq":1}'
    )
    assert entry.hash == ("sha256:2ec21d291c3cf0480b475448c7db7bc45580db84bad419cab5602ff53f06d182")


@FEW
@given(CHAINS)
def test_what_was_linked_verifies_and_reads_back(entries: list[Entry]) -> None:
    """Linking, writing down and reading are the same entry, and the chain holds."""
    reached = chain.verify_entries(entries, known=[Head(e.seq, e.hash) for e in entries])
    assert reached == Head(len(entries), entries[-1].hash)
    for entry in entries:
        assert chain.read(chain.canonical(entry), entry.hash) == entry


CHANGES: dict[str, Any] = {
    "seq": 99,
    "kind": "other",
    "move": True,
    "release_id": "r9",
    "model": "m9",
    "actor": "somebody else",
    "at": NOW - timedelta(microseconds=1),
    "recorded_at": NOW + timedelta(microseconds=1),
    "payload": {"a payload": "that no strategy makes"},
    "prev": "sha256:" + "5" * 64,
    "hash": "sha256:" + "5" * 64,
}


def test_the_changes_below_cover_every_field() -> None:
    """A field added to an entry is hashed too, and tried below."""
    assert set(CHANGES) == set(Entry.model_fields)


@FEW
@given(CHAINS, st.sampled_from(sorted(CHANGES)), st.data())
def test_any_altered_entry_breaks_the_chain(
    entries: list[Entry], field: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(entries) - 1))
    entries[at] = entries[at].model_copy(update={field: CHANGES[field]})
    with pytest.raises(BrokenChainError):
        chain.verify_entries(entries)


@FEW
@given(CHAINS, st.data())
def test_an_altered_entry_with_its_hash_made_anew_breaks_the_chain(
    entries: list[Entry], data: st.DataObject
) -> None:
    """Re-hashing one entry only moves the break to the next one."""
    at = data.draw(st.integers(0, len(entries) - 2))
    forged = entries[at].model_copy(update={"actor": "somebody else"})
    entries[at] = forged.model_copy(update={"hash": chain.hash_of(chain.canonical(forged))})
    with pytest.raises(BrokenChainError):
        chain.verify_entries(entries)


@FEW
@given(CHAINS, st.data())
def test_any_removed_entry_breaks_the_chain(entries: list[Entry], data: st.DataObject) -> None:
    """From the middle by itself; from the end against the head that was known."""
    known = Head(len(entries), entries[-1].hash)
    del entries[data.draw(st.integers(0, len(entries) - 1))]
    with pytest.raises(BrokenChainError):
        chain.verify_entries(entries, known=[known])


@FEW
@given(CHAINS, st.data())
def test_any_two_swapped_entries_break_the_chain(entries: list[Entry], data: st.DataObject) -> None:
    places = st.integers(0, len(entries) - 1)
    i, j = data.draw(st.tuples(places, places).filter(lambda pair: pair[0] != pair[1]))
    entries[i], entries[j] = entries[j], entries[i]
    with pytest.raises(BrokenChainError):
        chain.verify_entries(entries)


@FEW
@given(CHAINS)
def test_a_repeated_entry_breaks_the_chain(entries: list[Entry]) -> None:
    with pytest.raises(BrokenChainError):
        chain.verify_entries([*entries, entries[-1]])


@FEW
@given(CHAINS, st.data())
def test_a_chain_rewritten_as_a_whole_differs_from_a_known_head(
    entries: list[Entry], data: st.DataObject
) -> None:
    """A chain hashed anew from some entry on is whole by itself, and is found out by a head."""
    known = Head(len(entries), entries[-1].hash)
    at = data.draw(st.integers(0, len(entries) - 1))
    payloads = [e.payload for e in entries]
    payloads[at] = {"a payload": "that no strategy makes"}
    rewritten = grow(payloads)
    chain.verify_entries(rewritten)
    with pytest.raises(BrokenChainError, match="rewritten"):
        chain.verify_entries(rewritten, known=[known])


@pytest.mark.parametrize("text", ["", "x", "[]", "3", "null", "{}", '{"seq": true}'])
def test_a_text_that_is_no_entry_breaks_the_chain(text: str) -> None:
    with pytest.raises(BrokenChainError):
        chain.verify([(text, chain.hash_of(text))])


def test_an_entry_of_a_later_version_is_not_half_read() -> None:
    """An unknown field is refused with advice; the chain over it still verifies."""
    (entry,) = grow([{}])
    text = chain.canonical(entry).replace('"kind"', '"kin":1,"kind"')
    with pytest.raises(LedgerError, match="newer") as refusal:
        chain.read(text, chain.hash_of(text))
    assert not isinstance(refusal.value, BrokenChainError)
    assert chain.verify([(text, chain.hash_of(text))]).seq == 1
