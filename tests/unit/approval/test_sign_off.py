from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from policies.errors import ApprovalError
from policies.vocabulary import ApprovalRequest, SignOff
from tasks.approval import ssh_signature
from tasks.approval.adapters.memory import MemoryDirectory
from tasks.approval.ports import Person
from tasks.approval.sign_off import check, sign, signed_elsewhere, text_to_sign

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def private_key(seed: int) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


MIA, NOA, ADA, STRANGER = (private_key(seed) for seed in range(1, 5))


def person(name: str, key: bytes, *roles: str, aliases: tuple[str, ...] = ()) -> Person:
    keys = (ssh_signature.public_line(key),)
    return Person(name=name, roles=roles, public_keys=keys, aliases=aliases)


DIRECTORY = MemoryDirectory(
    [
        person("Mia Chen", MIA, "board", aliases=("mia@corp", "U123")),
        person("Noa Levi", NOA, "legal", aliases=("nlevi",)),
        person("Ada Roy", ADA, "board", aliases=("ada@corp",)),
    ]
)
REQUEST = ApprovalRequest(
    request_id="q1",
    nonce="7f3a",
    release_id="r1",
    gate="full",
    model="m",
    version="2",
    artefact_digest="sha256:" + "a" * 64,
    evidence_digest="sha256:" + "b" * 64,
    policy_digest="sha256:" + "c" * 64,
    requester="ada@corp",
    trainer="nlevi",
    roles={"board": 1, "legal": 1},
    asked_at=NOW - timedelta(hours=1),
    expires_at=NOW + timedelta(hours=1),
)


def signed(key: bytes = MIA, request: ApprovalRequest = REQUEST, **changes: Any) -> SignOff:
    words = {"person": "Mia Chen", "role": "board", "decision": "approve", "comment": "fine"}
    return sign(request, key, **(words | changes))


def changed(request: ApprovalRequest, **changes: Any) -> ApprovalRequest:
    return request.model_copy(update=changes)


def test_a_sign_off_that_holds_names_the_key_that_signed() -> None:
    checked = check(signed().model_copy(update={"key_id": "a lie"}), REQUEST, DIRECTORY, NOW)
    assert checked.person == "Mia Chen"
    assert checked.key_id == ssh_signature.fingerprint(ssh_signature.public_line(MIA))


def test_a_refusal_is_signed_and_checked_as_well() -> None:
    assert check(signed(decision="refuse"), REQUEST, DIRECTORY, NOW).decision == "refuse"


def test_a_signature_made_by_another_tool_is_the_same_sign_off() -> None:
    text = text_to_sign(REQUEST, "Mia Chen", "board", "approve", "fine")
    by_hand = signed_elsewhere(
        REQUEST,
        ssh_signature.sign(text, MIA),
        person="Mia Chen",
        role="board",
        decision="approve",
        comment="fine",
    )
    assert by_hand == signed()


def test_the_text_holds_everything_the_decision_stands_on() -> None:
    """Every field of the request is in the signed text, beside who decided what."""
    text = text_to_sign(REQUEST, "Mia Chen", "board", "approve", "fine")
    document = json.loads(text)
    assert document.keys() >= {*ApprovalRequest.model_fields, "person", "role", "decision"}
    assert document["evidence_digest"] == REQUEST.evidence_digest
    assert document["expires_at"] == "2026-01-01T13:00:00.000000+00:00"


def test_a_request_read_in_another_time_zone_is_the_same_text() -> None:
    local = changed(REQUEST, expires_at=REQUEST.expires_at.astimezone(ZoneInfo("Asia/Tokyo")))
    assert check(signed(request=local), REQUEST, DIRECTORY, NOW)


def _with_text_of(**changes: Any) -> Callable[[], SignOff]:
    """A true signature over the text of a request that differs in one field."""
    return lambda: signed(request=changed(REQUEST, **changes))


def _forged_text() -> SignOff:
    whole = signed()
    return whole.model_copy(update={"signed_text": whole.signed_text.replace("fine", "fin3")})


def _other_namespace() -> SignOff:
    whole = signed()
    other = ssh_signature.sign(whole.signed_text, MIA, namespace="git")
    return whole.model_copy(update={"signature": other})


def _requester_under_other_name() -> SignOff:
    return signed(ADA, person="Ada Roy")


REFUSED: dict[str, tuple[Callable[[], SignOff], str]] = {
    "forged": (_forged_text, "altered or forged"),
    "no signature": (lambda: signed().model_copy(update={"signature": ""}), "not a readable"),
    "signature of another text": (
        lambda: signed().model_copy(update={"signature": signed(comment="x").signature}),
        "altered or forged",
    ),
    "another namespace": (_other_namespace, "made for 'git'"),
    "another artefact": (_with_text_of(artefact_digest="sha256:" + "0" * 64), "artefact_digest"),
    "another evidence": (_with_text_of(evidence_digest="sha256:" + "0" * 64), "evidence_digest"),
    "another policy": (_with_text_of(policy_digest="sha256:" + "0" * 64), "policy_digest"),
    "another nonce": (_with_text_of(nonce="other"), "nonce"),
    "another expiry": (_with_text_of(expires_at=NOW + timedelta(days=9)), "expires_at"),
    "another request": (_with_text_of(request_id="q0"), "for request q0"),
    "relabelled request": (
        lambda: _with_text_of(request_id="q0")().model_copy(update={"request_id": "q1"}),
        "request_id",
    ),
    "decision turned around": (
        lambda: signed(decision="refuse").model_copy(update={"decision": "approve"}),
        "decision",
    ),
    "role swapped": (lambda: signed().model_copy(update={"role": "legal"}), "role"),
    "unknown key": (lambda: signed(STRANGER), "nobody in the directory"),
    "in another's name": (lambda: signed(NOA), "Noa Levi's key"),
    "under an alias": (lambda: signed(person="mia@corp"), "in the name of mia@corp"),
    "without the role": (lambda: signed(role="legal"), "does not have the role"),
    "role not asked for": (lambda: signed(role="intern"), "does not ask for"),
    "the requester, through an alias": (_requester_under_other_name, "asked for the release"),
    "the trainer, through an alias": (
        lambda: signed(NOA, person="Noa Levi", role="legal"),
        "trained the model",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_sign_off_that_does_not_hold_is_refused_with_advice(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(ApprovalError) as refusal:
        check(make(), REQUEST, DIRECTORY, NOW)
    assert words in refusal.value.message
    assert refusal.value.advice


def test_a_sign_off_expires_to_the_second() -> None:
    late = REQUEST.expires_at
    assert check(signed(), REQUEST, DIRECTORY, late - timedelta(seconds=1))
    with pytest.raises(ApprovalError, match="expired"):
        check(signed(), REQUEST, DIRECTORY, late)


@pytest.mark.parametrize("field", ["requester", "trainer"])
def test_an_unknown_requester_or_trainer_could_be_the_signer(field: str) -> None:
    """Whoever cannot be told apart from the signer blocks the signature."""
    request = changed(REQUEST, **{field: "mchen-private"})
    with pytest.raises(ApprovalError, match="mchen-private"):
        check(signed(request=request), request, DIRECTORY, NOW)


def test_a_trainer_who_is_not_recorded_blocks_nobody() -> None:
    request = changed(REQUEST, trainer=None)
    assert check(signed(request=request), request, DIRECTORY, NOW)


def test_a_role_taken_away_takes_the_sign_off_with_it() -> None:
    """The same sign-off is refused once the person has left the role."""
    left = MemoryDirectory([person("Mia Chen", MIA), person("Ada Roy", ADA, aliases=("ada@corp",))])
    with pytest.raises(ApprovalError, match="does not have the role"):
        check(signed(), REQUEST, left, NOW)
