from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from deployments.demo.people import ENGINEER, PEOPLE, key_of, write_people
from policies.errors import RefusedError


def test_everybody_has_a_key_that_fits(tmp_path: Path) -> None:
    """What the directory says a person signs with is what that person holds."""
    people = json.loads(write_people(tmp_path).read_text())["people"]
    assert [person["name"] for person in people] == [person.name for person in PEOPLE]
    for person, entry in zip(PEOPLE, people, strict=True):
        private = load_ssh_private_key(key_of(tmp_path, person).read_bytes(), None)
        public = load_ssh_public_key(entry["public_keys"][0].encode())
        assert isinstance(private, Ed25519PrivateKey) and isinstance(public, Ed25519PublicKey)
        assert private.public_key() == public


def test_private_keys_are_private(tmp_path: Path) -> None:
    """ssh-keygen refuses to sign with a key that others can read, and so do we."""
    write_people(tmp_path)
    assert {stat.S_IMODE(key_of(tmp_path, p).stat().st_mode) for p in PEOPLE} == {0o600}


def test_keys_are_made_once(tmp_path: Path) -> None:
    """Signatures given yesterday still verify today."""
    before = write_people(tmp_path).read_text()
    assert write_people(tmp_path).read_text() == before


def test_the_engineer_has_no_role_that_signs(tmp_path: Path) -> None:
    """Who trains and requests does not approve."""
    assert not set(ENGINEER.roles) & {"reviewer", "manager"}


@pytest.mark.parametrize(
    "text",
    [
        '{"people": [{"name": "Ravi Lund"}, {"name": "Ada King"}]}',
        '{"people": [{"roles": ["reviewer"]}]}',
        '["Ada King"]',
        "people: Ada King",
    ],
)
def test_a_teams_directory_is_never_written_over(tmp_path: Path, text: str) -> None:
    """Anybody who is not the demo's, or a file nobody can read: it stays to the last byte."""
    path = tmp_path / "people.json"
    path.write_text(text)
    with pytest.raises(RefusedError, match="does not write over it") as refused:
        write_people(tmp_path)
    assert "seatrial --home DIR demo" in refused.value.advice
    assert path.read_text() == text
    assert not (tmp_path / "demo").exists()
