"""``seatrial policy plan`` prints what a policy would do, or why it cannot work."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from deployments.cli.app import app
from deployments.cli.policy_plan import WORTH_PROCESSES

runner = CliRunner()
SHORT = """
policy: short
extends: low
ramp: []
canary: {look_every_hours: 24}
guardrails:
  - {name: quality, kind: paired_mean, metric: log_loss, margin: 0.03, rollback_at: 0.012,
     weight: 0.5, information: 40000, why: test}
  - {name: errors, kind: proportion, metric: error, margin: 0.02, rollback_at: 0.008,
     weight: 0.5, information: 500000, at_most: 0.05, why: test}
"""


@pytest.fixture
def short(tmp_path: Path) -> str:
    path = tmp_path / "short.yaml"
    path.write_text(SHORT)
    return str(path)


def planned(*words: str) -> tuple[int, str, str]:
    done = runner.invoke(app, ["policy", "plan", *words])
    return done.exit_code, done.stdout, done.stderr


def test_a_plan_that_works_is_told_with_all_that_it_assumes(short: str, tmp_path: Path) -> None:
    """Days, sight, fates and wrong decisions; a drawing; no progress bar where nobody watches."""
    drawing = tmp_path / "plan.svg"
    code, out, err = planned(short, "--traffic", "24k/d", "--runs", "8", "--svg", str(drawing))
    assert code == 0, err
    assert "with 1,000 requests an hour" in out
    assert "quality: days differ by 0.0195 (from information: 15.25 days, 40000)" in out
    assert "errors: 0.025 of the champion's answers (half of at_most)" in out
    for heading in ("Days at each step", "Promoted after", "could show", "Wrong decisions"):
        assert heading in out
    assert "This plan works: 100% of sound candidates are promoted" in out
    assert err == f"Drawn: {drawing}\n"
    assert max(map(len, out.splitlines())) <= 80
    assert ElementTree.fromstring(drawing.read_text()).tag.endswith("svg")


def test_what_is_not_simulated_is_said_and_what_is_given_is_used(tmp_path: Path) -> None:
    """A metric by users is taken to be safe, in capitals, until somebody says how users differ."""
    path = tmp_path / "paid.yaml"
    paid = """
  - {name: revenue, kind: mean, metric: business, unit: user, relative: true, margin: 0.1,
     rollback_at: 0.04, weight: 0.25, information: 900, name_of_metric: revenue, direction: up,
     cap: 100, without_value: zero, why: test}
"""
    text = SHORT.replace("policy: short", "policy: paid") + paid.lstrip("\n")
    path.write_text(text.replace("weight: 0.5, information: 5", "weight: 0.25, information: 5"))
    words = (str(path), "--traffic", "1000/h", "--runs", "5", "--harm", "1")
    code, out, err = planned(*words)
    assert code == 0, err
    assert "NOT simulated, taken to be safe: revenue." in out
    assert "revenue: margin" not in out
    code, out, err = planned(*words, "--user-spread", "revenue=1", "--gain", "0.01")
    assert code == 0, err
    assert "NOT simulated" not in out
    assert "revenue: users differ by 1 of the champion's mean (as given)," in out
    assert "The wanted candidate is better by 0.01 in quality." in out
    assert "revenue: margin 0.1, rolls back beyond 0.04, as shares of the champion's" in out


HEARD = """
  - {name: cost, kind: ratio, metric: business, unit: user, relative: true, margin: 0.2,
     rollback_at: 0.08, weight: 0.1, information: 1000, name_of_metric: cost, per: requests,
     direction: down, cap: 50, without_value: zero, why: test}
  - {name: silence, kind: proportion, metric: missing, name_of_metric: rating, margin: 0.1,
     rollback_at: 0.04, weight: 0.1, information: 10000, why: test}
"""
GAP = """weight: 0.3, information: 40000, gap: {column: who, values: [x, y], reported: [y],
     min_rows: 300, margin: 0.1, rollback_at: 0.03, share: 0.5, information: 3000}"""


def test_gaps_ratios_and_silence_have_their_rows(tmp_path: Path) -> None:
    """What is not said is asked for, word by word; what is said is simulated and seen."""
    path, drawing = tmp_path / "heard.yaml", tmp_path / "heard.svg"
    text = SHORT.replace("policy: short", "policy: heard") + HEARD.lstrip("\n")
    path.write_text(text.replace("weight: 0.5, information: 40000", GAP))
    words = (str(path), "--traffic", "1000/h", "--users", "300/h", "--runs", "5", "--harm", "1",
             "--svg", str(drawing))  # fmt: skip
    code, out, err = planned(*words, "--base-rate", "errors=0.02")
    assert code == 0, err
    assert "NOT simulated, taken to be safe: cost, silence." in out
    assert 'To simulate it, say how users differ: --user-spread "cost=…".' in out
    assert 'say how many users have no value: --base-rate "silence=…".' in out
    assert "Not simulated, taken to be safe: cost, silence." in drawing.read_text()
    say = ("--base-rate", "silence=0.6", "--user-spread", "cost=0.8")
    code, out, err = planned(*words, *say)
    assert code == 0, err
    assert "NOT simulated" not in out
    assert "quality, gap of each group: margin 0.1, rolls back beyond 0.03" in out
    assert "told and not asked: y" in out
    assert "cost: users differ by 0.8 of the champion's ratio (as given)," in out
    assert "silence: 0.6 of the champion's users post no rating (as given)," in out
    for row in ("cost: margin 0.2, rolls back beyond 0.08", "silence: margin 0.1, rolls back"):
        assert row in out
    assert max(map(len, out.splitlines())) <= 80


def test_programs_read_the_same_plan(short: str) -> None:
    """The same seed is the same plan; rates carry their slack."""
    words = (
        short,
        "--traffic",
        "1000/h",
        "--runs",
        "8",
        "--base-rate",
        "0.01",
        "--harm",
        "2",
        "--json",
    )
    code, out, err = planned(*words)
    assert (code, err) == (0, "")
    row = json.loads(out)
    assert row["works"] is True and row["digest"].startswith("sha256:")
    assert row["assumed"]["base_rates"] == {"errors": 0.01}
    assert 0.0 <= row["false_rollback"]["share"] <= row["false_rollback"]["slack"] + 0.05
    assert row["false_promotion"]["share"] <= 0.1 + row["false_promotion"]["slack"]
    assert {each["harm"] for each in row["fates"]} == {1.0, 2.0}
    assert planned(*words)[1] == out


def test_a_plan_that_cannot_work_is_refused_with_what_would_help(short: str) -> None:
    """Too little traffic for the least number of rows: exit 1, and the traffic that is enough."""
    code, out, err = planned(short, "--traffic", "3/h", "--runs", "5", "--base-rate", "0.01")
    assert code == 1
    assert "This plan does not work." in out
    assert "short cannot work with this traffic" in err
    assert "fewer than 100 rows by its deadline" in " ".join(err.split())
    assert "What to do: one of these is enough:" in err
    assert "/h instead of 3/h" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("low",), 2, "--traffic"),
        (("low", "--traffic", "lots"), 2, "is no traffic. Say how many requests"),
        (("low", "--traffic", "1000"), 2, "is no traffic"),
        (("low", "--traffic", "0/h"), 2, "without traffic there is nothing to plan"),
        (("low", "--traffic", "-5/h"), 2, "is no traffic"),
        (("low", "--traffic", "1/h", "--base-rate", "0"), 2, "is no base rate"),
        (("low", "--traffic", "1/h", "--base-rate", "errors=1.2"), 2, "is no base rate"),
        (("low", "--traffic", "1/h", "--base-rate", "nan"), 2, "is no base rate"),
        (("low", "--traffic", "1/h", "--base-rate", "x=0.1"), 1, "x: no guardrail of shares"),
        (("low", "--traffic", "1/h", "--day-spread", "-1"), 1, "spread between days is -1"),
        (("low", "--traffic", "1/h", "--day-spread", "wide"), 2, "'wide' is no spread"),
        (("low", "--traffic", "1/h", "--user-spread", "x=1"), 1, "x: no guardrail by users"),
        (("low", "--traffic", "1/h", "--users", "many"), 2, "is no traffic"),
        (("low", "--traffic", "1/h", "--gain", "-1"), 1, "the gain is -1"),
        (("low", "--traffic", "1/h", "--harm", "0"), 2, "0 margins cannot be tried"),
        (("low", "--traffic", "1/h", "--harm", "nan"), 2, "nan margins cannot be tried"),
        (("low", "--traffic", "1/h", "--svg", "/none/x.svg"), 2, "there is no folder /none"),
        (("nobody", "--traffic", "1/h"), 1, "Known policies:"),
        (("regulated", "--traffic", "1/h"), 1, '--base-rate "errors=0.01"'),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_says_what_to_write_instead(
    words: tuple[str, ...], code: int, said: str
) -> None:
    """A slip is usage (2), a policy or a number that does not fit it is refused (1)."""
    found, out, err = planned(*words)
    assert (found, out) == (code, "")
    assert said in " ".join(err.replace("│", " ").split())


@pytest.mark.slow
def test_releases_shared_out_among_processes_are_the_same_plan(short: str) -> None:
    """From as many releases a question as processes are started for: the figures of one alone."""
    from policies.loader import load
    from tasks.planning.assumed import Given, assume, simulated
    from tasks.planning.plan import SEED, make_plan

    runs = WORTH_PROCESSES
    code, out, err = planned(
        short, "--traffic", "1000/h", "--runs", str(runs), "--harm", "1", "--json"
    )
    assert (code, err) == (0, "")
    policy = load(Path(short)).policy
    assumed = assume(policy, Given(1000.0))
    alone = make_plan(simulated(policy, assumed), assumed, runs, SEED, lambda: None, (1.0,))
    told = json.loads(out)
    assert told["fates"] == [asdict(each) for each in alone.fates]
    assert told["steps"] == [asdict(each) for each in alone.steps]
