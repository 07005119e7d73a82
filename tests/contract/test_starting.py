"""A first policy reads back as what was answered, or is not written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deployments.cli.policy import app
from policies import loader
from policies.errors import PolicyError
from policies.starting import Answers, check_name, first_policy
from tests.unit.letters import LETTERS

runner = CliRunner()
TIERS = {name: loader.find(name).policy for name in ("low", "medium", "high", "regulated")}
texts = st.text(LETTERS, min_size=1, max_size=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catalogue")


@given(
    tier=st.sampled_from(sorted(TIERS)),
    texts=st.tuples(texts, texts, texts),
    slices=st.lists(texts, max_size=2),
    hours=st.sampled_from([0.5, 24.0, 720.0, 4000.0]),
)
def test_any_answers_make_a_sound_policy(
    folder: Path, tier: str, texts: tuple[str, str, str], slices: list[str], hours: float
) -> None:
    """Whatever people write, it is quoted; whatever their horizon, every stage can pass."""
    why, owner, model = texts
    answers = Answers(
        name="mine", tier=tier, models=(model,), owner=owner, why=why, time_zone="Europe/Paris",
        horizon_hours=hours, slices=tuple(slices), on_call=owner, runbook="docs/a page.md",
    )  # fmt: skip
    path = folder / "mine.yaml"
    path.write_text(first_policy(answers, TIERS[tier]), encoding="utf-8")
    made = loader.load(path).policy
    assert (made.why, made.owner, made.applies_to) == (why, owner, (model,))
    assert made.labels.horizon_hours == hours
    assert made.staging.scores.slices == tuple(slices)
    assert made.guardrails == TIERS[tier].guardrails
    assert made.soak.min_days * 24 >= hours


def test_every_number_has_its_reason() -> None:
    """A comment stands beside each."""
    answers = Answers(
        name="m", tier="medium", models=("m",), owner="o", why="w", time_zone="UTC",
        horizon_hours=2000, slices=("s",), on_call="c", runbook="r",
    )  # fmt: skip
    lines = first_policy(answers, TIERS["medium"]).splitlines()
    numbered = [line for line in lines if any(c.isdigit() for c in line.split("#")[0])]
    assert len(numbered) == 6
    assert all(" # " in line for line in numbered)


@pytest.mark.parametrize(
    "name", ["", "Upper", "a b", "../a", "-a", "a" * 65, "low", "flight-delay"]
)
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(PolicyError) as caught:
        check_name(name, ["low", "flight-delay"])
    assert caught.value.advice


# ── The command ─────────────────────────────────────────────────────────────────────────────


def new(folder: Path, name: str, *words: str) -> tuple[int, str]:
    done = runner.invoke(app, ["new", name, "--catalog", str(folder), *words])
    return done.exit_code, done.output


def test_a_new_policy_passes_the_check_at_once(tmp_path: Path) -> None:
    """And is never written over."""
    code, said = new(tmp_path, "churn", "--tier", "low", "--independent", "--json")
    made = json.loads(said)
    assert (code, made["policy"], made["file"]) == (0, "churn", str(tmp_path / "churn.yaml"))
    assert runner.invoke(app, ["check", "--catalog", str(tmp_path)]).exit_code == 0
    before = (tmp_path / "churn.yaml").read_bytes()
    code, said = new(tmp_path, "churn", "--tier", "high", "--independent")
    assert (code, "not written over" in said) == (1, True)
    assert (tmp_path / "churn.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--tier", "meduim", "--independent"], 1, "Did you mean medium?"),
        (["--tier", "low", "--dependent"], 1, "randomised"),
        (["--tier", "low"], 2, "--independent"),  # silence is not taken for a claim
        (["--independent", "--time-zone", "Mars/X"], 1, "no time zone"),
        (["--independent", "--horizon-hours", "0"], 1, "horizon_hours"),
        (["--independent", "--owner", ""], 1, "owner"),
        (["--independent", "--model", "chu*"], 1, "churn already rules churn"),
    ],
)
def test_what_makes_no_policy_leaves_no_file(
    tmp_path: Path, words: list[str], code: int, told: str
) -> None:
    """The reason is told, and the catalogue stays sound."""
    assert new(tmp_path, "churn", "--independent")[0] == 0
    ended, said = new(tmp_path, "other", *words)
    assert (ended, told in " ".join(said.split())) == (code, True), said
    assert [path.name for path in tmp_path.iterdir()] == ["churn.yaml"]
