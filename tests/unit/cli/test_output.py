"""Errors go to standard error, with every fault and the advice; JSON stays clean."""

from __future__ import annotations

import json

import pytest

from deployments.cli.output import fail, show
from policies.errors import PolicyError, RefusedError


def test_an_error_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(RefusedError("It is closed.", advice="Open it.")) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Error: It is closed.\nWhat to do: Open it.\n")


def test_every_fault_of_a_policy_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    fail(PolicyError("2 faults.", faults=("a.yaml:1: x: y", "a.yaml:2: z: w"), advice="Mend."))
    assert capsys.readouterr().err.splitlines()[1:3] == ["  a.yaml:1: x: y", "  a.yaml:2: z: w"]


def test_json_is_nothing_but_json(capsys: pytest.CaptureFixture[str]) -> None:
    show({"a": 1}, "text", True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    show({"a": 1}, "text", False)
    assert capsys.readouterr().out == "text\n"
