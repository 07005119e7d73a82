"""Our SSH signatures and those of OpenSSH are the same thing, in both directions."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from policies.errors import ApprovalError
from tasks.approval.ssh_signature import NAMESPACE, fingerprint, normal, sign, verify

TEXT = '{"comment":"grüß Gott – ok","decision":"approve"}'


@pytest.fixture(autouse=True)
def _openssh() -> None:
    if shutil.which("ssh-keygen") is None:
        assert not os.environ.get("CI"), "ssh-keygen is missing where it must be installed"
        pytest.skip("needs ssh-keygen")


def _keygen(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh-keygen", *arguments], input=text, capture_output=True, text=True, timeout=60
    )


def _key(folder: Path, *kind: str, passphrase: str = "") -> Path:
    path = folder / "key"
    made = _keygen("-q", *kind, "-N", passphrase, "-C", "mia@laptop", "-f", str(path))
    assert made.returncode == 0, made.stderr
    return path


def _signed(key: Path, namespace: str = NAMESPACE) -> str:
    made = _keygen("-Y", "sign", "-f", str(key), "-n", namespace, text=TEXT)
    assert made.returncode == 0, made.stderr
    return made.stdout


def _openssh_accepts(folder: Path, key: Path, signature: str, text: str) -> bool:
    public = key.with_suffix(".pub").read_text()
    (folder / "signers").write_text(f'mia namespaces="{NAMESPACE}" {public}')
    (folder / "sig").write_text(signature)
    signers, sig = str(folder / "signers"), str(folder / "sig")
    arguments = ["-Y", "verify", "-f", signers, "-I", "mia", "-n", NAMESPACE, "-s", sig]
    return _keygen(*arguments, text=text).returncode == 0


def test_openssh_accepts_what_we_sign(tmp_path: Path) -> None:
    """A key file made by OpenSSH signs here what OpenSSH verifies, and nothing else."""
    key = _key(tmp_path, "-t", "ed25519")
    signature = sign(TEXT, key.read_bytes())
    assert _openssh_accepts(tmp_path, key, signature, TEXT)
    assert not _openssh_accepts(tmp_path, key, signature, TEXT + " ")
    other = sign(TEXT, key.read_bytes(), namespace="git")
    assert not _openssh_accepts(tmp_path, key, other, TEXT)


def test_a_protected_key_signs_with_its_passphrase_or_says_what_is_missing(tmp_path: Path) -> None:
    """OpenSSH's key protection needs the package bcrypt; without it the advice names both ways."""
    key = _key(tmp_path, "-t", "ed25519", passphrase="open sesame")
    with pytest.raises(ApprovalError, match="protected by a passphrase"):
        sign(TEXT, key.read_bytes())
    if find_spec("bcrypt") is None:
        with pytest.raises(ApprovalError, match="ssh-keygen -Y sign"):
            sign(TEXT, key.read_bytes(), passphrase=b"open sesame")
        return
    with pytest.raises(ApprovalError, match="passphrase is wrong"):
        sign(TEXT, key.read_bytes(), passphrase=b"open")
    signature = sign(TEXT, key.read_bytes(), passphrase=b"open sesame")
    assert _openssh_accepts(tmp_path, key, signature, TEXT)


KINDS = [
    ("-t", "ed25519"),
    ("-t", "ecdsa", "-b", "256"),
    ("-t", "ecdsa", "-b", "384"),
    ("-t", "ecdsa", "-b", "521"),
    ("-t", "rsa", "-b", "2048"),
]


@pytest.mark.parametrize("kind", KINDS, ids=["-".join(kind[1::2]) for kind in KINDS])
def test_we_accept_what_openssh_signs(tmp_path: Path, kind: tuple[str, ...]) -> None:
    """And name the key as OpenSSH does; another text or namespace is refused."""
    key = _key(tmp_path, *kind)
    public = key.with_suffix(".pub").read_text()
    assert verify(TEXT, _signed(key)) == normal(public)
    assert fingerprint(public) in _keygen("-l", "-f", str(key)).stdout
    with pytest.raises(ApprovalError, match="altered or forged"):
        verify(TEXT + " ", _signed(key))
    with pytest.raises(ApprovalError, match="'git'"):
        verify(TEXT, _signed(key, "git"))


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ApprovalError, match="1024 bits"):
        verify(TEXT, _signed(_key(tmp_path, "-t", "rsa", "-b", "1024")))
