"""``seatrial doctor --telemetry`` over a real home, real tables and the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli.app import app
from tasks import connections
from tests.contract.own_tables import in_own_tables

MODEL = "flight-delay-own"
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connections, "_current", None)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))


def fill(home: Path, *, labelled: bool) -> None:
    """Four days of hourly predictions; a label three hours later."""
    ages = [timedelta(hours=hour) for hour in range(1, 96)]
    common = {"model": MODEL, "release": None, "step": "", "weight_bp": 0, "version": "1"}
    answer = {"arm": "champion", "served": True, "score": 0.4, "error": None, "latency_ms": 3.0}
    rows = [
        {"at": (NOW - age).isoformat(), "id": str(n), "unit": str(n)} | common | answer
        for n, age in enumerate(ages)
    ]
    labels: list[dict[str, Any]] = [
        {"at": (NOW - age + timedelta(hours=3)).isoformat(), "model": MODEL, "id": str(n),
         "label": 1.0} for n, age in enumerate(ages) if age > timedelta(hours=3)]  # fmt: skip
    in_own_tables(home, predictions=rows, outcomes=labels if labelled else [])


def asked(home: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["--home", str(home), "doctor", *words])
    return done.exit_code, done.output


def test_tables_that_can_carry_a_release_are_well(tmp_path: Path) -> None:
    """Before anything was started or adopted: the tables alone are looked at."""
    fill(tmp_path, labelled=True)
    code, said = asked(tmp_path, MODEL, "--telemetry", "--json")
    found = {check["part"]: check for check in json.loads(said)[MODEL]}
    assert code == 0, said
    assert all(check["well"] for check in found.values())
    assert "median 3.0 h" in found["label lag"]["told"]
    assert asked(tmp_path, MODEL)[0] == 2  # a model is named with --telemetry only


def test_what_is_not_well_is_told_with_exit_1(tmp_path: Path) -> None:
    fill(tmp_path, labelled=False)
    code, said = asked(tmp_path, MODEL, "--telemetry")
    assert code == 1
    assert "NOT WELL" in said and "Post the missing outcomes" in said


def test_a_mapping_that_does_not_fit_is_told_line_by_line(tmp_path: Path) -> None:
    fill(tmp_path, labelled=True)
    path = tmp_path / "telemetry.yaml"
    path.write_text(path.read_text().replace("score: probability", "score: chance"))
    code, said = asked(tmp_path, MODEL, "--telemetry", "--json")
    (source,) = json.loads(said)[MODEL]
    assert code == 1
    assert "telemetry.yaml:15: predictions.columns.score: there is no column" in source["told"]
    path.write_text("predictions: 7\n")
    connections._current = None
    code, said = asked(tmp_path, MODEL, "--telemetry", "--json")
    assert code == 1
    assert "telemetry.yaml:1: predictions: is 7" in json.loads(said)[MODEL][0]["told"]
