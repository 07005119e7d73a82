from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.approvals import (
    standing,
    unfillable,
)
from policies.vocabulary import ApprovalRequest, SignOff

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def request(roles: dict[str, int]) -> ApprovalRequest:
    return ApprovalRequest(
        request_id="q1",
        nonce="n",
        release_id="r1",
        gate="full",
        model="m",
        version="2",
        artefact_digest=DIGEST,
        evidence_digest=DIGEST,
        policy_digest=DIGEST,
        requester="Ada",
        roles=roles,
        asked_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(hours=1),
    )


def votes(text: str) -> list[SignOff]:
    """``"mia:board noa:-legal"``: Mia approves for the board, Noa refuses for legal."""
    parsed = (word.split(":") for word in text.split())
    return [
        SignOff(
            request_id="q1",
            person=person,
            role=role.lstrip("-"),
            decision="refuse" if role.startswith("-") else "approve",
            comment="too early" if role.startswith("-") else "",
            signed_text="t",
            signature="s",
        )
        for person, role in parsed
    ]


def test_a_request_that_asks_for_nobody_is_never_granted() -> None:
    """An empty rule opens nothing."""
    for roles in ({}, {"board": 0}):
        assert standing(request(roles), votes("mia:board"), NOW).status == "waiting"


TABLE = [
    ("nobody yet", {"board": 1}, "", "waiting", ("1 × board",)),
    ("the one asked for", {"board": 1}, "mia:board", "granted", ()),
    ("quorum not met", {"board": 3}, "mia:board noa:board", "waiting", ("1 × board",)),
    ("quorum met", {"board": 2}, "mia:board noa:board", "granted", ()),
    ("more than asked for", {"board": 1}, "mia:board noa:board", "granted", ()),
    ("one person twice", {"board": 2}, "mia:board mia:board", "waiting", ("1 × board",)),
    ("another role", {"board": 1}, "mia:legal", "waiting", ("1 × board",)),
    (
        "one person in two roles fills one place",
        {"board": 1, "legal": 1},
        "mia:board mia:legal",
        "waiting",
        ("1 × legal",),
    ),
    (
        "two roles of one person and one of another",
        {"board": 1, "legal": 1},
        "mia:board mia:legal noa:board",
        "granted",
        (),
    ),
    (
        "a chain of three that must move along",
        {"a": 1, "b": 1, "c": 1},
        "mia:a mia:b noa:a noa:c ola:a",
        "granted",
        (),
    ),
    ("both lacking", {"legal": 1, "board": 2}, "mia:x", "waiting", ("2 × board", "1 × legal")),
    ("one refusal blocks", {"board": 1}, "mia:board noa:-board", "refused", ()),
    ("a refusal first blocks", {"board": 1}, "noa:-board mia:board", "refused", ()),
    ("a refusal of one's own approval", {"board": 1}, "mia:board mia:-board", "refused", ()),
]


@pytest.mark.parametrize(("name", "roles", "given_", "status", "missing"), TABLE)
def test_how_a_request_stands(
    name: str, roles: dict[str, int], given_: str, status: str, missing: tuple[str, ...]
) -> None:
    result = standing(request(roles), votes(given_), NOW)
    assert (result.status, result.missing) == (status, missing)
    assert result.reason


def test_expiry_outranks_a_full_quorum_and_a_refusal_outranks_expiry() -> None:
    """From the moment of expiry on, nothing is granted; a refusal stays a refusal."""
    asked = request({"board": 1})
    late = asked.expires_at
    assert standing(asked, votes("mia:board"), late - timedelta(seconds=1)).status == "granted"
    assert standing(asked, votes("mia:board"), late).status == "expired"
    assert standing(asked, votes("mia:-board"), late).status == "refused"


def test_the_reason_names_who_refused_and_why() -> None:
    reason = standing(request({"board": 1}), votes("noa:-board"), NOW).reason
    assert "noa" in reason
    assert "too early" in reason


def test_votes_on_another_request_count_for_nothing() -> None:
    other = [v.model_copy(update={"request_id": "q0"}) for v in votes("mia:board noa:-board")]
    assert standing(request({"board": 1}), other, NOW).status == "waiting"


VOTES = st.lists(st.tuples(st.sampled_from("mno"), st.sampled_from("abc")), max_size=6)
ROLES = st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), min_size=1, max_size=3)


@given(ROLES, VOTES)
def test_granted_exactly_when_distinct_people_can_fill_every_place(
    roles: dict[str, int], cast: list[tuple[str, str]]
) -> None:
    """The verdict agrees with trying every way to seat people, in whatever order they voted."""
    places = [role for role, count in roles.items() for _ in range(count)]
    possible = any(
        all(pair in cast for pair in zip(people, places, strict=True))
        for people in permutations("mno", len(places))
    )
    result = standing(request(roles), votes(" ".join(f"{p}:{r}" for p, r in cast)), NOW)
    assert (result.status == "granted") == possible
    seated = [place.person for place in result.filled]
    assert len(seated) == len(set(seated))
    assert all((place.person, place.role) in cast for place in result.filled)


@pytest.mark.parametrize(
    ("roles", "offers", "missing"),
    [
        ({"peer": 1}, {}, ("1 × peer",)),
        ({"peer": 1, "manager": 1}, {"ann": ["peer", "manager"]}, ("1 × peer",)),
        ({"peer": 1, "manager": 1}, {"ann": ["peer", "manager"], "bob": ["manager"]}, ()),
        ({"board": 3}, {"ann": ["board"], "bob": ["board"]}, ("1 × board",)),
    ],
)
def test_whether_enough_people_could_sign(
    roles: dict[str, int], offers: dict[str, list[str]], missing: tuple[str, ...]
) -> None:
    """Before anybody is asked: one person fills one place, whatever their roles."""
    assert len(unfillable(roles, offers)) == len(missing)
    assert sum(int(each.split()[0]) for each in unfillable(roles, offers)) == len(missing)
