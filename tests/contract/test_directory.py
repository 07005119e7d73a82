"""Every directory of people keeps the same promises."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from policies.errors import RefusedError
from tasks.approval.adapters.memory import MemoryDirectory
from tasks.approval.adapters.people_file import PeopleFile
from tasks.approval.ports import Directory, Person

Make = Callable[[Sequence[Person]], Directory]


def key(n: int) -> str:
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + bytes([n]) * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


MIA = Person(
    name="Mia Chen", roles=("board",), public_keys=(key(1), key(2)), aliases=("mia@corp", "U1")
)
NOA = Person(name="Noa Levi", roles=("legal", "board"), public_keys=(f"{key(3)} noa@laptop",))
ADA = Person(name="Ada Roy", roles=(), public_keys=())


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def in_file(people: Sequence[Person]) -> Directory:
        path = tmp_path / "people.json"
        path.write_text(json.dumps({"people": [p.model_dump(mode="json") for p in people]}))
        return PeopleFile(path)

    return MemoryDirectory if request.param == "memory" else in_file


def test_nobody_is_in_an_empty_directory(make: Make) -> None:
    assert make([]).person("Mia Chen") is None
    assert make([]).by_key(key(1)) is None


def test_a_person_is_found_by_every_name_and_key(make: Make) -> None:
    """Name, alias, first or second key, with or without a comment: one and the same record."""
    directory = make([MIA, NOA, ADA])
    for name in ("Mia Chen", "mia chen", " MIA  CHEN ", "mia@corp", "u1"):
        assert directory.person(name) == MIA
    for line in (key(1), key(2), f"{key(2)} somebody@else"):
        assert directory.by_key(line) == MIA
    assert directory.by_key(key(3)) == NOA
    assert directory.person("Ada Roy") == ADA


@pytest.mark.parametrize("name", ["", "Mia", "board"])
def test_an_unknown_name_is_nobody(make: Make, name: str) -> None:
    assert make([MIA]).person(name) is None


@pytest.mark.parametrize("line", ["", "x", "ssh-ed25519", key(9)])
def test_an_unknown_key_is_nobodys(make: Make, line: str) -> None:
    assert make([MIA]).by_key(line) is None


AMBIGUOUS = {
    "same name": Person(name="mia chen", roles=(), public_keys=()),
    "name is another's alias": Person(name="U1", roles=(), public_keys=()),
    "same alias": Person(name="X", roles=(), public_keys=(), aliases=("MIA@corp",)),
    "same key": Person(name="X", roles=(), public_keys=(f"{key(2)} other-comment",)),
    "empty name": Person(name=" ", roles=(), public_keys=()),
    "no key": Person(name="X", roles=(), public_keys=("ssh-ed25519 nonsense",)),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_directory_that_cannot_tell_people_apart_is_refused_whole(make: Make, case: str) -> None:
    """Not even the others are found: who approved must never be a guess."""
    with pytest.raises(RefusedError, match="ambiguous or wrong") as refusal:
        make([MIA, AMBIGUOUS[case]]).person("Mia Chen")
    assert refusal.value.advice


def test_a_person_may_repeat_an_own_name(make: Make) -> None:
    repeated = MIA.model_copy(update={"aliases": ("mia chen", "mia@corp", "MIA@CORP")})
    assert make([repeated]).person("mia@corp") == repeated


@pytest.mark.parametrize("text", ["", "{", "[]", '{"people": [{"name": "x"}]}', '{"peopel": []}'])
def test_a_file_that_is_no_directory_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(RefusedError) as refusal:
        PeopleFile(tmp_path / "people.json").person("x")
    assert refusal.value.advice


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no directory"):
        PeopleFile(tmp_path / "people.json").person("x")


def test_a_change_of_the_file_counts_at_once(tmp_path: Path) -> None:
    """Whoever is taken out cannot sign a moment later."""
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"people": [MIA.model_dump(mode="json")]}))
    directory = PeopleFile(path)
    assert directory.person("Mia Chen") == MIA
    path.write_text('{"people": []}')
    assert directory.person("Mia Chen") is None


def test_everybody_is_told_in_order(make: Make) -> None:
    assert list(make([]).everybody()) == []
    assert list(make([MIA, NOA, ADA]).everybody()) == [MIA, NOA, ADA]
