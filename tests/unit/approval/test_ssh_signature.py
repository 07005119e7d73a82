from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import ApprovalError
from tasks.approval.ssh_signature import fingerprint, normal, public_line, sign, verify
from tests.unit.letters import LETTERS

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
TEXT = '{"decision":"approve"}'
SIGNATURE = sign(TEXT, PRIVATE)


@given(st.text(LETTERS), st.text(LETTERS))
def test_a_signature_holds_for_its_own_text_only(text: str, other: str) -> None:
    signature = sign(text, PRIVATE)
    assert verify(text, signature) == public_line(PRIVATE)
    if other != text:
        with pytest.raises(ApprovalError):
            verify(other, signature)


@given(st.data())
def test_no_flipped_bit_verifies_as_this_key(data: st.DataObject) -> None:
    """A damaged signature is refused, never misread and never another exception."""
    body = bytearray(base64.b64decode("".join(SIGNATURE.splitlines()[1:-1])))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    armoured = base64.b64encode(body).decode()
    with pytest.raises(ApprovalError):
        verify(TEXT, f"-----BEGIN SSH SIGNATURE-----\n{armoured}\n-----END SSH SIGNATURE-----\n")


@given(st.text(LETTERS) | st.text(LETTERS).map(lambda t: SIGNATURE.replace("U1NI", t)))
def test_any_other_text_is_not_a_signature(armoured: str) -> None:
    if armoured != SIGNATURE:
        with pytest.raises(ApprovalError):
            verify(TEXT, armoured)


def test_trailing_bytes_are_refused() -> None:
    body = base64.b64decode("".join(SIGNATURE.splitlines()[1:-1])) + b"x"
    armoured = base64.b64encode(body).decode()
    with pytest.raises(ApprovalError):
        verify(TEXT, f"-----BEGIN SSH SIGNATURE-----\n{armoured}\n-----END SSH SIGNATURE-----")


def test_another_namespace_is_another_purpose() -> None:
    with pytest.raises(ApprovalError, match="made for 'git'"):
        verify(TEXT, sign(TEXT, PRIVATE, namespace="git"))


def test_a_passphrase_too_many_is_said() -> None:
    with pytest.raises(ApprovalError, match="has no passphrase"):
        sign(TEXT, PRIVATE, passphrase=b"open sesame")


@pytest.mark.parametrize("data", [b"", b"x", public_line(PRIVATE).encode(), PRIVATE[:120]])
def test_what_is_no_private_key_is_refused(data: bytes) -> None:
    with pytest.raises(ApprovalError, match="cannot be read"):
        sign(TEXT, data)


def test_other_keys_do_not_sign_here() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with pytest.raises(ApprovalError, match="Only Ed25519"):
        sign(TEXT, data)


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-rsa AAAA", "a b c"])
def test_what_is_no_public_key_is_refused(line: str) -> None:
    with pytest.raises(ApprovalError):
        normal(line)


def test_a_comment_is_no_part_of_a_key() -> None:
    line = public_line(PRIVATE)
    assert normal(f" {line}  mia@laptop") == line
    assert fingerprint(f"{line} mia@laptop") == fingerprint(line)
