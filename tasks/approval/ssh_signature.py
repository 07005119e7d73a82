"""SSH signatures over a text, as ``ssh-keygen -Y sign`` and ``-Y verify`` make and check them.

The format is OpenSSH's PROTOCOL.sshsig. A signature names a namespace, so that one made for
Git or for mail is no approval. Keys: Ed25519 signs; Ed25519, ECDSA and RSA (2048 bits and more)
verify. Keys on hardware tokens (``sk-…``) are refused by name.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from policies.errors import ApprovalError

NAMESPACE = "seatrial-approval@v1"
_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_LARGEST = 64 * 1024  # characters; the longest signature in use is below 3 000
_LEAST_RSA_BITS = 2048
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
_SIGN_AGAIN = "Sign the request again with `seatrial approve`."


@dataclass(frozen=True)
class _Parts:
    key_blob: bytes
    namespace: str
    hash_name: str
    algorithm: str
    signature: bytes


def sign(
    text: str, private_key: bytes, *, passphrase: bytes | None = None, namespace: str = NAMESPACE
) -> str:
    """The armoured signature of an OpenSSH Ed25519 private key (the file's bytes)."""
    key = _private_key(private_key, passphrase)
    blob = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    signed = key.sign(_to_be_signed(text, namespace, "sha512"))
    body = (
        _MAGIC
        + _VERSION
        + _string(base64.b64decode(blob))
        + _string(namespace.encode())
        + _string(b"")
        + _string(b"sha512")
        + _string(_string(b"ssh-ed25519") + _string(signed))
    )
    encoded = base64.b64encode(body).decode()
    lines = [encoded[i : i + 70] for i in range(0, len(encoded), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def verify(text: str, signature: str, *, namespace: str = NAMESPACE) -> str:
    """The public key (``type base64``) that signed exactly this text, or ``ApprovalError``.

    It proves which key signed. Whose key that is, is the directory's to say.
    """
    parts = _parts(signature)
    if parts.namespace != namespace:
        raise ApprovalError(
            f"The signature was made for '{parts.namespace}', not for '{namespace}'.",
            advice=_SIGN_AGAIN,
        )
    try:
        _check(parts, _to_be_signed(text, namespace, parts.hash_name))
    except InvalidSignature as error:
        raise ApprovalError(
            "The signature does not belong to this text: one of them was altered or forged.",
            advice=f"Do not count it. {_SIGN_AGAIN}",
        ) from error
    kind, _ = _take(parts.key_blob)
    return f"{kind.decode('ascii')} {base64.b64encode(parts.key_blob).decode()}"


def public_line(private_key: bytes, *, passphrase: bytes | None = None) -> str:
    """The public key (``type base64``) of an OpenSSH Ed25519 private key."""
    key = _private_key(private_key, passphrase).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def normal(public_key: str) -> str:
    """A public key line without its comment, refused when it is not a public key."""
    words = public_key.split()
    try:
        kind, _ = _take(base64.b64decode(words[1], validate=True))
        if kind.decode("ascii") != words[0]:
            raise ValueError("the type does not fit the key")
    except (IndexError, ValueError) as error:
        raise ApprovalError(
            f"'{public_key[:40]}' is not an OpenSSH public key.",
            advice="Use one line of a .pub file: the type, then the key.",
        ) from error
    return f"{words[0]} {words[1]}"


def fingerprint(public_key: str) -> str:
    """As ``ssh-keygen -l`` prints it: ``SHA256:`` and the base64 digest."""
    blob = base64.b64decode(normal(public_key).split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _private_key(data: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    try:
        key = load_ssh_private_key(data, passphrase)
    except TypeError as error:  # cryptography's word for a passphrase that is absent or too much
        raise ApprovalError(
            "The private key is protected by a passphrase."
            if passphrase is None
            else "The private key has no passphrase, but one was given.",
            advice="Give the passphrase of the key, and only if it has one.",
        ) from error
    except UnsupportedAlgorithm as error:  # OpenSSH protects keys by bcrypt, an extra package
        raise ApprovalError(
            f"The private key cannot be opened here ({error}).",
            advice="Install the package bcrypt, or sign the text with `ssh-keygen -Y sign`.",
        ) from error
    except ValueError as error:
        raise ApprovalError(
            "The private key cannot be read: it is damaged, not an OpenSSH key, or the "
            "passphrase is wrong.",
            advice="Name the private key file (without .pub) and try its passphrase again.",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ApprovalError(
            "Only Ed25519 keys sign here.",
            advice="Make one with `ssh-keygen -t ed25519`, or sign with `ssh-keygen -Y sign`.",
        )
    return key


def _check(parts: _Parts, signed: bytes) -> None:
    """Raises ``InvalidSignature`` or ``ApprovalError``; returning means that the key signed."""
    key_type, rest = _take(parts.key_blob)
    name = key_type.decode("ascii", "replace")
    if name == "ssh-ed25519" and parts.algorithm == name:
        _ed25519(_only(rest)).verify(parts.signature, signed)
    elif name in _CURVE_HASHES and parts.algorithm == name:
        key = _loaded(name, parts.key_blob)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise _malformed()
        r, rest = _take(parts.signature)
        numbers = int.from_bytes(r, "big"), int.from_bytes(_only(rest), "big")
        key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(_CURVE_HASHES[name]))
    elif name == "ssh-rsa" and parts.algorithm in _RSA_HASHES:
        rsa_key = _loaded(name, parts.key_blob)
        if not isinstance(rsa_key, rsa.RSAPublicKey):
            raise _malformed()
        if rsa_key.key_size < _LEAST_RSA_BITS:
            raise ApprovalError(
                f"The RSA key has {rsa_key.key_size} bits; {_LEAST_RSA_BITS} is the least.",
                advice="Sign with an Ed25519 key: `ssh-keygen -t ed25519`.",
            )
        rsa_key.verify(parts.signature, signed, padding.PKCS1v15(), _RSA_HASHES[parts.algorithm])
    else:
        raise ApprovalError(
            f"Signatures '{parts.algorithm}' of keys '{name}' are not accepted.",
            advice="Sign with an Ed25519 key: `ssh-keygen -t ed25519`.",
        )


def _ed25519(raw: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise _malformed() from error


def _loaded(name: str, blob: bytes) -> object:
    try:
        return load_ssh_public_key(f"{name} {base64.b64encode(blob).decode()}".encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _malformed() from error


def _to_be_signed(text: str, namespace: str, hash_name: str) -> bytes:
    try:
        digest = _HASHES[hash_name](text.encode()).digest()
    except UnicodeEncodeError as error:
        raise ApprovalError("The signed text is not readable.", advice=_SIGN_AGAIN) from error
    return (
        _MAGIC
        + _string(namespace.encode())
        + _string(b"")
        + _string(hash_name.encode())
        + _string(digest)
    )


def _parts(armoured: str) -> _Parts:
    lines = armoured.strip().splitlines()
    if len(armoured) > _LARGEST or len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        raise _malformed()
    try:
        body = base64.b64decode("".join(line.strip() for line in lines[1:-1]), validate=True)
    except ValueError as error:
        raise _malformed() from error
    if not body.startswith(_MAGIC + _VERSION):
        raise _malformed()
    key_blob, rest = _take(body[len(_MAGIC + _VERSION) :])
    namespace, rest = _take(rest)
    _reserved, rest = _take(rest)
    hash_name, rest = _take(rest)
    algorithm, signature = _take(_only(rest))
    try:
        named = namespace.decode(), hash_name.decode("ascii"), algorithm.decode("ascii")
    except UnicodeDecodeError as error:
        raise _malformed() from error
    if named[1] not in _HASHES:
        raise _malformed()
    # An ECDSA signature is a pair inside this string; the others are the string.
    return _Parts(key_blob, *named, signature=_only(signature))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    """The first length-prefixed string, and what follows it."""
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) < end:
        raise _malformed()
    return data[4:end], data[end:]


def _only(data: bytes) -> bytes:
    """The one string that is all there is: trailing bytes would be unsigned room for mischief."""
    value, rest = _take(data)
    if rest:
        raise _malformed()
    return value


def _malformed() -> ApprovalError:
    return ApprovalError("This is not a readable SSH signature.", advice=_SIGN_AGAIN)
