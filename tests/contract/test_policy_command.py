"""``seatrial policy`` says yes, or everything that is wrong, with the right exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli.policy import app
from policies.schema import ReleasePolicy

runner = CliRunner()


def bad(folder: Path) -> Path:
    path = folder / "bad.yaml"
    path.write_text("policy: bad\nextends: medium\nownr: x\ncanary: {min_days: -1}\n")
    return path


def test_check_names_every_fault_and_refuses(tmp_path: Path) -> None:
    """Sound policies are listed, faults go to standard error, the exit code is 1."""
    done = runner.invoke(app, ["check", str(bad(tmp_path)), "low"])
    assert done.exit_code == 1
    assert "low: sound, sha256:" in done.stdout
    assert "bad.yaml:3: ownr:" in done.stderr
    assert "bad.yaml:4: canary.min_days: is -1." in done.stderr
    assert "2 faults" in done.stderr


def test_check_without_names_reads_the_whole_catalogue() -> None:
    """Every shipped tier is checked."""
    done = runner.invoke(app, ["check"])
    assert done.exit_code == 0
    assert all(f"{tier}: sound" in done.stdout for tier in ("low", "medium", "high", "regulated"))


def test_check_prints_json_for_programs(tmp_path: Path) -> None:
    """One row a policy, with its digest or its faults."""
    done = runner.invoke(app, ["check", "--json", str(bad(tmp_path)), "low"])
    assert done.exit_code == 1
    refused, sound = json.loads(done.stdout)
    assert len(refused["faults"]) == 2 and refused["digest"] is None
    assert sound["faults"] == [] and sound["digest"].startswith("sha256:")


@pytest.mark.parametrize(
    "arguments", [["check", "--jsn"], ["explain"], ["check", "--catalog", "/none"]]
)
def test_wrong_usage_is_told_apart_from_a_refusal(arguments: list[str]) -> None:
    """A typing slip exits with 2, never with 1."""
    assert runner.invoke(app, arguments).exit_code == 2


def test_a_catalogue_without_policies_is_not_a_sound_one(tmp_path: Path) -> None:
    """Nothing checked is not nothing wrong."""
    assert runner.invoke(app, ["check", "--catalog", str(tmp_path)]).exit_code == 2


def test_explain_tells_the_policy_and_its_digest() -> None:
    """By name; an unknown name is refused with the known ones."""
    done = runner.invoke(app, ["explain", "low"])
    assert done.exit_code == 0
    assert "The policy low" in done.stdout and "Digest sha256:" in done.stdout
    row = json.loads(runner.invoke(app, ["explain", "low", "--json"]).stdout)
    assert ReleasePolicy.model_validate(row["document"]).policy == "low"
    refused = runner.invoke(app, ["explain", "nobody"])
    assert refused.exit_code == 1
    assert "Known policies:" in refused.stderr


def test_schema_prints_json_schema() -> None:
    """Editors can check a policy while it is written."""
    schema = json.loads(runner.invoke(app, ["schema"]).stdout)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(ReleasePolicy.model_fields)
