"""What follows from evidence, case by case."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.loader import find
from policies.schema import Goal
from policies.verdict import harm_of_all, judge
from policies.vocabulary import Decision, Evidence, Finding, Judged, Step

POLICY = find("medium").policy
STEP = POLICY.steps()[2]
SURE = math.log(1e6)


def guardrail(name: str = "quality", **changes: object) -> Evidence:
    known: dict[str, object] = {
        "name": name,
        "kind": "sequential",
        "effect": -0.01,
        "margin": 0.02,
        "rollback_at": 0.008,
        "weight": 0.5,
        "log_e_harm": 0.0,
        "log_e_safe": SURE,
        "n": 1000,
        "clusters": 30,
    }
    return Evidence.model_validate(known | changes)


def check(**changes: object) -> Evidence:
    known: dict[str, object] = {"name": "contract", "kind": "check", "effect": 0.0, "limit": 0.0}
    return Evidence.model_validate(known | changes)


CASES = [
    ("no evidence at all holds", [], Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE),
    ("a safe guardrail passes", [guardrail()], Decision.PASS, Finding.SAFE),
    ("a check alone that holds passes", [check()], Decision.PASS, Finding.SAFE),
    (
        "a failed check rolls back",
        [guardrail(), check(effect=1.0)],
        Decision.ROLL_BACK,
        Finding.HARMFUL,
    ),
    ("a check without a limit is invalid", [check(limit=None)], Decision.HOLD, Finding.INVALID),
    ("a check without a value is invalid", [check(effect=None)], Decision.HOLD, Finding.INVALID),
    ("proven harm rolls back", [guardrail(log_e_harm=SURE)], Decision.ROLL_BACK, Finding.HARMFUL),
    (
        "harm outranks safety of the same guardrail",
        [guardrail(log_e_harm=SURE, log_e_safe=SURE)],
        Decision.ROLL_BACK,
        Finding.HARMFUL,
    ),
    (
        "harm is asked before scarcity",
        [guardrail(log_e_harm=SURE, log_e_safe=None, status="scarce")],
        Decision.ROLL_BACK,
        Finding.HARMFUL,
    ),
    (
        "harm outranks a source that is down",
        [guardrail(log_e_harm=SURE), check(status="down")],
        Decision.ROLL_BACK,
        Finding.HARMFUL,
    ),
    (
        "not yet shown holds",
        [guardrail(log_e_safe=1.0)],
        Decision.HOLD,
        Finding.NOT_ENOUGH_EVIDENCE,
    ),
    (
        "one scarce guardrail holds the others",
        [guardrail(), guardrail("errors", status="scarce")],
        Decision.HOLD,
        Finding.NOT_ENOUGH_EVIDENCE,
    ),
    (
        "a source that is down holds",
        [guardrail(), check(status="down")],
        Decision.HOLD,
        Finding.SOURCE_DOWN,
    ),
    (
        "a broken comparison holds",
        [guardrail(), check(status="invalid")],
        Decision.HOLD,
        Finding.INVALID,
    ),
    (
        "a guardrail without an e-value is invalid",
        [guardrail(log_e_safe=None)],
        Decision.HOLD,
        Finding.INVALID,
    ),
]


@pytest.mark.parametrize(
    ("promise", "evidence", "decision", "finding"), CASES, ids=[c[0] for c in CASES]
)
def test_judge(
    promise: str, evidence: list[Evidence], decision: Decision, finding: Finding
) -> None:
    """Roll back first, hold for anything broken or scarce, pass last."""
    verdict = judge(POLICY, STEP, evidence)
    assert (verdict.decision, verdict.finding) == (decision, finding)
    assert verdict.reason


def test_harm_is_the_weighted_average_of_e_values() -> None:
    """Two guardrails of weight 0.5 with e-values 10 and 30 average to 20."""
    items = [guardrail(log_e_harm=math.log(10)), guardrail("errors", log_e_harm=math.log(30))]
    total = harm_of_all(items)
    assert total is not None and math.isclose(math.exp(total), 20.0)


def test_a_guardrail_left_out_counts_as_one() -> None:
    """Weight that was not measured can never make a rollback more likely."""
    total = harm_of_all([guardrail(log_e_harm=math.log(39.0))])
    assert total is not None and math.isclose(math.exp(total), 0.5 * 39.0 + 0.5)


statuses = st.sampled_from(["ok", "scarce", "down", "invalid"])
values = st.one_of(st.none(), st.floats(-50, 800))
anything = st.builds(
    lambda status, harm, safe: guardrail(status=status, log_e_harm=harm, log_e_safe=safe),
    statuses,
    values,
    values,
)


@given(st.lists(anything, max_size=4), statuses.filter(lambda s: s != "ok"))
def test_nothing_broken_or_scarce_ever_passes(items: list[Evidence], status: str) -> None:
    """Whatever else is shown, one source that is not well prevents PASS."""
    verdict = judge(POLICY, STEP, [*items, check(status=status)])
    assert verdict.decision is not Decision.PASS


@given(st.lists(anything, min_size=1, max_size=4))
def test_pass_needs_every_guardrail_shown_safe(items: list[Evidence]) -> None:
    """PASS only with every e-value for safety at 1/beta, and none proven harmful."""
    verdict = judge(POLICY, STEP, items)
    if verdict.decision is Decision.PASS:
        needed = -math.log(POLICY.budget.promote_beta)
        assert all((i.log_e_safe or -1.0) >= needed and i.status == "ok" for i in items)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["log_e_harm", "log_e_safe", "margin", "effect", "limit"])
def test_no_number_is_never_good(field: str, value: float) -> None:
    """Neither NaN nor an infinity passes, proves harm, or breaks the judging."""
    item = (check if field in ("effect", "limit") else guardrail)().model_copy(
        update={field: value}
    )
    verdict = judge(POLICY, STEP, [item])
    assert (verdict.decision, verdict.finding) == (Decision.HOLD, Finding.INVALID)
    assert verdict.judged[0].code == "nothing_to_judge"


CODES = [
    (guardrail(), "within_margin"),
    (guardrail(log_e_safe=0.0), "not_yet_within_margin"),
    (guardrail(log_e_harm=SURE), "harm_proven"),
    (guardrail(status="scarce"), "too_little_data"),
    (guardrail(status="down"), "source_down"),
    (guardrail(status="invalid"), "comparison_broken"),
    (guardrail(log_e_safe=None), "nothing_to_judge"),
    (check(), "check_holds"),
    (check(effect=1.0), "check_failed"),
    (check(limit=None), "nothing_to_judge"),
    (check(status="down"), "source_down"),
]


@pytest.mark.parametrize(("item", "code"), CODES, ids=[f"{i.kind} {c}" for i, c in CODES])
def test_every_finding_says_by_which_rule(item: Evidence, code: str) -> None:
    """A code for programs beside the sentence for people."""
    (judged,) = judge(POLICY, STEP, [item]).judged
    assert judged.code == code


SHADOW, SOAK = POLICY.steps()[1], POLICY.steps()[-1]


@pytest.mark.parametrize(
    ("required", "step", "better", "decision", "code"),
    [
        (True, SOAK, SURE, Decision.PASS, "within_margin"),
        (True, SOAK, 0.0, Decision.HOLD, "not_yet_better"),
        (True, SOAK, None, Decision.HOLD, "not_yet_better"),
        (True, SHADOW, 0.0, Decision.PASS, "within_margin"),
        (False, SOAK, 0.0, Decision.PASS, "within_margin"),
    ],
)
def test_a_goal_that_is_asked_for_must_be_proven_in_the_soak(
    required: bool, step: Step, better: float | None, decision: Decision, code: str
) -> None:
    """Before the soak, and where it is only told, being safe is enough."""
    goal = Goal(guardrail="quality", required=required, why="test")
    policy = POLICY.model_copy(update={"goal": goal})
    verdict = judge(policy, step, [guardrail(log_e_better=better), guardrail("errors")])
    assert verdict.decision is decision
    assert [item.code for item in verdict.judged] == [code, "within_margin"]
    assert "better than the champion" in verdict.judged[0].reason.lower()


def test_a_goal_never_makes_a_release_pass() -> None:
    """Better on average is not yet within the margin, and harm stays harm."""
    goal = Goal(guardrail="quality", required=True, why="test")
    policy = POLICY.model_copy(update={"goal": goal})
    (held,) = judge(policy, SOAK, [guardrail(log_e_safe=0.0, log_e_better=SURE)]).judged
    assert held.code == "not_yet_within_margin"
    harmed = judge(policy, SOAK, [guardrail(log_e_harm=SURE, log_e_better=SURE)])
    assert harmed.decision is Decision.ROLL_BACK


def test_what_was_recorded_before_there_were_codes_can_be_read() -> None:
    old = {"name": "quality", "finding": "safe", "reason": "quality is not worse."}
    assert Judged.model_validate(old).code == ""
