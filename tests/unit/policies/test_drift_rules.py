"""What follows from drift: told, suspected, or not observed; never well for want of data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from policies.between import ACTOR, suspected
from policies.drift import (
    INPUTS,
    PREDICTIONS,
    Drifted,
    before,
    evidence_of,
    is_old_enough,
    judge_inputs,
    judge_predictions,
    recent,
    window_of,
)
from policies.faults import read
from policies.loader import find
from policies.schema import Drift, InputDrift, PredictionDrift
from policies.verdict import judge
from policies.vocabulary import Decision, Entry, Finding
from tasks.incidents.suspected import standing, suspected_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS: dict[str, Any] = {
    "distance": "jensen_shannon", "warn_at": 0.1, "act_at": 0.3, "window_days": 2,
    "reference_days": 14, "min_rows": 100,
}  # fmt: skip
SCORES = PredictionDrift(**LIMITS)
COLUMNS = InputDrift(**LIMITS, columns=("temp", "wind"))


def drifted(value: float | None, rows: int = 500, what: str = "scores") -> Drifted:
    return Drifted(
        what=what, distance="jensen_shannon", value=value, rows=rows, reference_rows=5000,
        bins_digest="sha256:" + "0" * 64, told="up to 0.1: 10.0% before, 40.0% now",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "rows", "status"),
    [
        (0.0, 500, "well"),
        (0.0999, 500, "well"),
        (0.1, 500, "found"),
        (0.2999, 500, "found"),
        (0.3, 500, "suspected"),
        (1.0, 100, "suspected"),
        (1.0, 99, "not observed"),  # so few may lie anywhere
        (0.0, 99, "not observed"),
        (0.0, 0, "not observed"),
        (None, 500, "not observed"),
    ],
)
def test_predictions_that_moved(value: float | None, rows: int, status: str) -> None:
    """By size alone; without rows, a reference or a value it is not observed, never well."""
    judged = judge_predictions(SCORES, [drifted(value, rows)])
    assert (judged.about, judged.status) == (PREDICTIONS, status)
    assert judge_predictions(SCORES, []).status == "not observed"


def test_without_a_level_to_act_at_people_are_only_told() -> None:
    only_told = SCORES.model_copy(update={"act_at": None})
    judged = judge_predictions(only_told, [drifted(1.0)])
    assert judged.status == "found"
    assert "scores 1 (up to 0.1: 10.0% before, 40.0% now; 500 rows against 5000)" in judged.why


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ((0.0, 0.0), "well"),
        ((0.0, 0.2), "found"),
        ((0.0, 0.9), "found"),  # inputs are told: an incident needs what users get
        ((None, 0.9), "found"),  # one that is not observed hides no other
        ((None, 0.0), "not observed"),
        ((None, None), "not observed"),
    ],
)
def test_inputs_that_moved(values: tuple[float | None, ...], status: str) -> None:
    found = [drifted(value, what=name) for value, name in zip(values, "ab", strict=True)]
    judged = judge_inputs(COLUMNS, found)
    assert (judged.about, judged.status) == (INPUTS, status)


@pytest.mark.parametrize(
    ("values", "act_at", "status"),
    [
        ((0.0, 0.1), 0.3, "ok"),
        ((0.0, 0.2), 0.3, "ok"),  # told between releases; in a release only the figure is shown
        ((0.0, 0.3), 0.3, "invalid"),
        ((None, 0.3), 0.3, "invalid"),
        ((None, 0.0), 0.3, "scarce"),
        ((None, None), 0.3, "scarce"),
        ((), 0.3, "scarce"),
    ],
)
def test_in_a_release_moved_inputs_are_no_harm_but_no_comparison(
    values: tuple[float | None, ...], act_at: float, status: str
) -> None:
    """Both models see the same world: it holds, and nobody is rolled back for the weather."""
    rules = COLUMNS.model_copy(update={"act_at": act_at})
    evidence = evidence_of(rules, [drifted(v, what=n) for v, n in zip(values, "ab", strict=False)])
    assert (evidence.name, evidence.kind, evidence.status) == (INPUTS, "check", status)
    policy = find("medium").policy
    verdict = judge(policy, policy.steps()[1], [evidence])
    assert verdict.decision is not Decision.ROLL_BACK
    expected = {
        "ok": Finding.SAFE, "invalid": Finding.INVALID, "scarce": Finding.NOT_ENOUGH_EVIDENCE,
    }  # fmt: skip
    assert [each.finding for each in verdict.judged] == [expected[status]]


def test_periods_meet_and_do_not_overlap() -> None:
    """The reference ends where the window begins; before a release it stays where it is."""
    window, past = window_of(SCORES, NOON), recent(SCORES, NOON)
    assert window.until == NOON and past.until == window.since == NOON - timedelta(days=2)
    assert past.since == NOON - timedelta(days=16)
    assert before(SCORES, NOON).since == NOON - timedelta(days=14)
    assert is_old_enough(SCORES, past.since, NOON)
    assert not is_old_enough(SCORES, past.since + timedelta(seconds=1), NOON)


def test_a_suspicion_stands_until_it_is_well_again() -> None:
    """One incident for as long as it lasts, another for the next; a new version has none."""
    look = suspected(PREDICTIONS, "moved")
    opened = suspected_of("m", look, find("medium").policy, NOON)
    assert (opened.severity, opened.status) == ("SEV4", "suspected")
    incident = Entry(kind="incident", model="m", actor="a", at=NOON, payload=opened.plain())
    over = Entry(kind="alert_over", model="m", actor=ACTOR, at=NOON, payload={"about": PREDICTIONS})
    other = over.model_copy(update={"payload": {"about": INPUTS}})
    promoted = over.model_copy(update={"kind": "promoted", "payload": {}})
    assert standing(PREDICTIONS, []) is None
    assert standing(PREDICTIONS, [over, incident, other]) == opened
    assert standing(INPUTS, [incident]) is None
    assert standing(PREDICTIONS, [incident, over]) is None
    assert standing(PREDICTIONS, [incident, promoted]) is None


@pytest.mark.parametrize(
    ("part", "change", "where", "said"),
    [
        ("predictions", {"warn_at": 0.5}, ("warn_at",), "above act_at"),
        ("predictions", {"act_at": 1.2}, ("act_at",), "never exceeds 1"),
        ("predictions", {"distance": "p_value"}, ("distance",), "psi"),
        ("predictions", {"min_rows": 0}, ("min_rows",), "at least 20"),
        ("inputs", {"columns": []}, ("columns",), "is empty"),
        ("inputs", {"columns": ["a", "a"]}, ("columns",), "twice"),
        ("inputs", {"reference": "training"}, ("reference",), "before_release"),
    ],
)
def test_incoherent_rules_are_refused(
    part: str, change: dict[str, Any], where: tuple[str, ...], said: str
) -> None:
    """At their place, and once."""
    rules = LIMITS | ({"columns": ["temp"]} if part == "inputs" else {}) | change
    document = find("medium").policy.model_dump(mode="json") | {"drift": {part: rules}}
    policy, faults = read(document)
    assert policy is None
    assert [place for place, _ in faults] == [("drift", part, *where)]
    assert said in faults[0][1]


def test_a_block_that_watches_nothing_is_refused() -> None:
    """Somebody believes that drift is watched."""
    policy, faults = read(find("medium").policy.model_dump(mode="json") | {"drift": {}})
    assert policy is None and [where for where, _ in faults] == [("drift",)]
    with pytest.raises(ValidationError):
        Drift()
