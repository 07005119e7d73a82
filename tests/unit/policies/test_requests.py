"""A request in the registry is answered once, and by nobody's word but the ledger's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policies.requests import ReleaseRequest, answer, in_order, release_id_of
from policies.vocabulary import Entry, ModelRef

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def request(version: str = "2", requester: str = "erin") -> ReleaseRequest:
    return ReleaseRequest(ref=ModelRef(model="m", version=version), requester=requester)


def entry(kind: str, version: str, release_id: str = "rel-aaaaaaaa") -> Entry:
    recorded = kind == "release_requested"
    payload = {"version": version, "release_id": release_id, "run_id": "aaaaaaaa-1"}
    return Entry(kind=kind, move=not recorded, release_id=None if recorded else release_id,
                 model="m", actor="x", at=NOON, payload=payload)  # fmt: skip


OPENED_1 = entry("opened", "1", "rel-1")
CASES = [
    ("new", request(), [], None, True, "launch"),
    ("another version was released before", request(), [OPENED_1], None, True, "launch"),
    ("launched before", request(), [entry("release_requested", "2")], None, True, "leave"),
    ("released by hand", request(), [entry("opened", "2")], None, True, "leave"),
    ("nobody asks", request(requester=" "), [], None, True, "wait"),
    ("a release is live", request(), [OPENED_1], "rel-1", True, "wait"),
    ("nothing serves", request(), [], None, False, "wait"),
    ("another has not opened", request("3"), [entry("release_requested", "2")], None, True, "ask"),
    (
        "another has opened and ended",
        request("3"),
        [entry("release_requested", "2"), entry("opened", "2")],
        None,
        True,
        "launch",
    ),
]


@pytest.mark.parametrize(("name", "asked", "entries", "live", "serves", "act"), CASES)
def test_what_follows(
    name: str, asked: ReleaseRequest, entries: list[Entry], live: str | None, serves: bool, act: str
) -> None:
    told = answer(asked, entries, live=live, serves=serves)
    assert told.act == act
    assert told.because
    assert (told.run_id is not None) == (act == "ask")


def test_older_versions_come_first() -> None:
    assert [r.ref.version for r in in_order(map(request, ("10", "9", "x")))] == ["x", "9", "10"]
    assert release_id_of("0123456789") == "rel-01234567"
