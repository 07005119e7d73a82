"""``seatrial init`` makes a home ready, says what is left, and changes nothing that exists."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from deployments.cli.app import app
from policies import loader
from policies.errors import RefusedError, SeatrialError, UnavailableError
from tasks.approval.adapters.people_file import PeopleFile
from tasks.connections import Home, World, use

Init = Callable[..., Result]


def public_key(number: int, folder: Path) -> Path:
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + bytes([number]) * 32
    path = folder / f"key{number}.pub"
    path.write_text(f"ssh-ed25519 {base64.b64encode(blob).decode()} somebody@laptop\n")
    return path


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LOGNAME", "ann")
    home = tmp_path / "home"

    def run(*words: str) -> Result:
        with use(World(home)):
            return CliRunner().invoke(app, ["--home", str(home), "init", *words])

    return run


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(done: Result) -> SeatrialError:
    assert isinstance(done.exception, SeatrialError), done.output
    assert done.exception.advice
    return done.exception


def test_a_home_ready_from_options_alone(init: Init, tmp_path: Path) -> None:
    """Settings, people with keys, a sound policy; what is left is told."""
    mine, hers = public_key(1, tmp_path), public_key(2, tmp_path)
    done = init("--name", "Ann Lee", "--key", str(mine), "--person", f"Rosa Diaz:peer,owner:{hers}",
                "--model", "Churn EU", "--tier", "low", "--independent", "--json")  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == 0 and told["kept"] == []
    policy = loader.load(tmp_path / "release-policies" / "churn-eu.yaml").policy
    assert (policy.applies_to, policy.tier) == (("Churn EU",), "low")
    assert Home(tmp_path / "home").catalog() == str(tmp_path / "release-policies")
    people = PeopleFile(tmp_path / "home" / "people.json")
    ann, rosa = people.person("ann"), people.by_key(hers.read_text())
    assert ann is not None and (ann.name, ann.roles) == ("Ann Lee", ("engineer",))
    assert rosa is not None and (rosa.name, rosa.roles) == ("Rosa Diaz", ("peer", "owner"))
    assert any("peer" in step for step in told["next"])
    assert any("seatrial up" in step for step in told["next"])


def test_again_it_changes_nothing(init: Init, tmp_path: Path) -> None:
    """Not a byte: the second call only says what is there."""
    words = ("--model", "churn", "--tier", "low", "--independent")
    assert init(*words).exit_code == 0
    before = snapshot(tmp_path)
    again = init(*words, "--json")
    assert (again.exit_code, json.loads(again.stdout)["made"]) == (0, [])
    assert snapshot(tmp_path) == before


def test_what_the_stack_wrote_is_kept(init: Init, tmp_path: Path) -> None:
    """After ``up``: the addresses stay, only the empty catalogue is filled in."""
    (tmp_path / "home").mkdir()
    settings = tmp_path / "home" / "settings.json"
    settings.write_text(json.dumps({"mlflow_uri": "http://x", "catalog": None}))
    assert init().exit_code == 0
    held = json.loads(settings.read_text())
    assert held == {"mlflow_uri": "http://x", "catalog": str(tmp_path / "release-policies")}


@pytest.mark.parametrize(
    "words",
    [
        ("--key", "nowhere.pub"),
        ("--person", "Rosa"),
        ("--person", "Rosa:peer:nowhere.pub"),
        ("--name", "ann", "--person", "ANN:peer:KEY2"),  # one name, two people
    ],
)
def test_a_refusal_leaves_nothing_behind(
    init: Init, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Everything that can be refused is read before anything is made."""
    key = str(public_key(2, tmp_path))
    before = snapshot(tmp_path)
    refused(init(*(word.replace("KEY2", key) for word in words)))
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "home").exists()


def test_what_stands_is_not_replaced(init: Init, tmp_path: Path) -> None:
    """Another catalogue or other people for a home that has its own are refused, not ignored."""
    assert init().exit_code == 0
    before = snapshot(tmp_path)
    refused(init("--catalog", str(tmp_path / "other")))
    refused(init("--name", "Somebody Else"))
    assert snapshot(tmp_path) == before


def test_a_damaged_home_is_not_mended_by_overwriting(init: Init, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.json").write_text("{half")
    assert "damaged" in refused(init()).message


def test_a_home_that_never_started_says_so(init: Init, tmp_path: Path) -> None:
    """Settings that a person wrote before the first ``up`` are not damaged ones."""
    assert init().exit_code == 0
    with pytest.raises(UnavailableError, match="Nothing has been started"):
        Home(tmp_path / "home").settings()
    (tmp_path / "home" / "settings.json").write_text('{"catalogue": "misspelt"}')
    with pytest.raises(RefusedError, match="damaged"):
        Home(tmp_path / "home").settings()
