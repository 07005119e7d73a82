"""The demo's people: who may sign, with keys made on this machine for the demo alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from policies.errors import RefusedError


class DemoPerson(NamedTuple):
    name: str
    roles: tuple[str, ...]
    alias: str


# The engineer trains and requests, so the rules keep her from signing for her own model.
PEOPLE = (
    DemoPerson("Erin Vale", ("engineer",), "erin"),
    DemoPerson("Ravi Lund", ("reviewer",), "ravi"),
    DemoPerson("Mona Okafor", ("manager",), "mona"),
)
ENGINEER, REVIEWER, MANAGER = PEOPLE


def write_people(home: Path) -> Path:
    """``home/people.json`` and a key pair each in ``home/demo/keys``; existing keys are kept.

    ``RefusedError`` when somebody else is in the directory: it is a team's, and stays as it is.
    """
    path = home / "people.json"
    _check_ours(path)
    people = [
        {
            "name": person.name,
            "roles": list(person.roles),
            "public_keys": [_public_key(home, person)],
            "aliases": [person.alias, f"{person.alias}@example.com"],
        }
        for person in PEOPLE
    ]
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({"people": people}, indent=2) + "\n")
    draft.replace(path)
    return path


def _check_ours(path: Path) -> None:
    """A file that cannot be read may be anybody's."""
    if not path.exists():
        return
    ours = {person.name for person in PEOPLE}
    try:
        names = [str(entry["name"]) for entry in json.loads(path.read_text())["people"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_ours(path, "cannot be read as the demo's") from error
    others = [name for name in names if name not in ours]
    if others:
        raise _not_ours(path, f"holds people who are not the demo's: {', '.join(others)}")


def _not_ours(path: Path, why: str) -> RefusedError:
    return RefusedError(
        f"{path} {why}. The demo does not write over it.",
        advice="Give the demo a home of its own: seatrial --home DIR demo",
    )


def key_of(home: Path, person: DemoPerson) -> Path:
    """Private key in OpenSSH's format, as ``ssh-keygen -Y sign -f`` takes it."""
    return home / "demo" / "keys" / person.alias


def _public_key(home: Path, person: DemoPerson) -> str:
    private = key_of(home, person)
    public = private.with_suffix(".pub")
    if not public.exists():
        _make_key(private, public, comment=person.alias)
    return public.read_text().strip()


def _make_key(private: Path, public: Path, *, comment: str) -> None:
    """The public half is written last: where it exists, the pair is complete."""
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    private.unlink(missing_ok=True)
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    public.write_text(f"{line.decode()} {comment}\n")
