"""A rehearsal uses the gateway's own worker and the release's own checks, and always ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.rehearsal.trial import Asked, Bench, Rehearsed
from policies import loader
from policies.errors import RefusedError
from policies.vocabulary import Decision, Finding
from tasks.evaluation.adapters.memory import MemoryContract
from tasks.registry.adapters.mlflow_shelf import MlflowShelf
from tests.faults.forms_model import make, row_of

pytestmark = pytest.mark.long
PROGRAM = str(Path(sys.executable).parent / "seatrial")
ROWS_A_LOT = 300
POLICY = """
policy: forms
extends: low
tier: low
why: Made-up forms.
owner: tests
staging:
  sample_rows: 250                  # fewer than the file has
  min_labelled_rows: 200            # enough for what is asked here
  contract:
    - type: expect_column_values_to_not_be_null
      kwargs: {column: tags}
  scores: {calibration_margin: 0.3} # 250 rows say little about calibration
  serving: {latency_ratio: 10000}   # a busy machine must not look like a slow model
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "forms.jsonl"
    path.write_text("\n".join(json.dumps(row_of(n)) for n in range(ROWS_A_LOT)))
    return path


@pytest.fixture
def rehearse(tmp_path: Path, sample: Path) -> Callable[..., Rehearsed]:
    policy = tmp_path / "forms.yaml"
    policy.write_text(POLICY)

    def nowhere() -> str:
        raise AssertionError("a folder needs no MLflow server")

    def done(champion: str | float = 0.5, **knobs: Any) -> Rehearsed:
        model = make(tmp_path / "model", **knobs)
        shelf = MlflowShelf(tmp_path / "home" / "store", nowhere)
        bench = Bench(tmp_path / "home", shelf, MemoryContract(), lambda _: None)
        return bench.rehearse(Asked(model, champion, sample, "label", loader.load(policy)))

    return done


def findings(done: Rehearsed) -> dict[str, Finding]:
    return {judged.name: judged.finding for judged in done.verdict.judged}


def test_optional_and_nested_inputs_pass_every_check(
    rehearse: Callable[..., Rehearsed], tmp_path: Path
) -> None:
    """Also parity: what the serving path hands the model is what the trainer wrote down."""
    done = rehearse()
    assert done.verdict.decision is Decision.PASS, done.verdict.reason
    assert set(findings(done).values()) == {Finding.SAFE}
    assert {"feature parity", "score parity", "probabilities", "log loss"} <= set(findings(done))
    assert done.artefact.optional == ("visits", "who")
    assert (len(done.sample.rows), done.sample.has_more) == (250, True)


def test_a_model_that_is_compared_with_itself_holds_its_ground(
    rehearse: Callable[..., Rehearsed], tmp_path: Path
) -> None:
    """Two processes, one after the other; scores that are equal are not worse."""
    champion = make(tmp_path / "old")
    done = rehearse(champion)
    assert done.verdict.decision is Decision.PASS, done.verdict.reason
    log_loss = next(item for item in done.evidence if item.name == "log loss")
    assert log_loss.effect == 0.0


def test_without_reference_rows_nothing_is_shown_and_it_holds(
    rehearse: Callable[..., Rehearsed],
) -> None:
    """Parity that nobody can see is not parity."""
    done = rehearse(reference=False)
    assert done.verdict.decision is Decision.HOLD
    assert findings(done)["score parity"] is Finding.NOT_ENOUGH_EVIDENCE


BROKEN = [
    ("raise ValueError(\"no 'Ann Lee' here\")", "answers failed: 250", "ValueError: no … here"),
    ("return [float(score(r) > .5) for r in model_input.to_dict('records')]",
     "probabilities failed", 'pyfunc_predict_fn="predict_proba"'),
    ("return ['yes'] * len(model_input)", "answers failed: 250", "A class is no probability"),
    ("return [0.5]", "answers failed", "rows were asked"),
    ("os._exit(3)", "answers failed", "its process ended"),
]  # fmt: skip


@pytest.mark.parametrize(("at_call", "reason", "detail"), BROKEN, ids=[b[1] for b in BROKEN])
def test_a_broken_model_is_refused_for_what_is_wrong_with_it(
    at_call: str, reason: str, detail: str, rehearse: Callable[..., Rehearsed]
) -> None:
    """The first reason is the cause; what the model quotes of the rows is left out."""
    done = rehearse(at_call=at_call)
    assert done.verdict.decision is Decision.ROLL_BACK
    assert reason in done.verdict.reason and detail in done.verdict.reason, done.verdict.reason
    assert "Ann Lee" not in done.verdict.reason


def test_a_model_that_never_answers_is_given_up(rehearse: Callable[..., Rehearsed]) -> None:
    """Deadlines are the gateway's: seconds, not the sample's length."""
    start = time.monotonic()
    done = rehearse(at_call="time.sleep(3600)")
    assert done.verdict.decision is Decision.ROLL_BACK
    assert "no answer within" in done.verdict.reason
    assert time.monotonic() - start < 90


def test_a_model_that_cannot_be_loaded_is_refused(
    rehearse: Callable[..., Rehearsed], tmp_path: Path
) -> None:
    """The candidate: a finding. The champion: the comparison cannot be made."""
    done = rehearse(at_load="raise ImportError('a library is missing')")
    assert done.verdict.decision is Decision.ROLL_BACK
    assert "a library is missing" in done.verdict.reason
    (tmp_path / "model").rename(tmp_path / "broken")
    with pytest.raises(RefusedError, match="champion cannot be loaded"):
        rehearse(str(tmp_path / "broken"))


def test_the_command_needs_no_home_and_no_server(tmp_path: Path, sample: Path) -> None:
    """Exit 0 and one sentence; nothing is left in the folder it was called in."""
    (tmp_path / "forms.yaml").write_text(POLICY)
    make(tmp_path / "model")
    (tmp_path / "here").mkdir()
    words = ["rehearse", "../model", "--rule", "0.5", "--sample", str(sample), "--policy",
             "../forms.yaml", "--json"]  # fmt: skip
    done = subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path / "here", check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["told"] == "PASS: staging would let it go on to shadow; 14 checks hold."
    assert told["sample"]["has_more"] is True
    assert list((tmp_path / "here").iterdir()) == []
