"""Inputs that change all day, and the feed that has stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from policies.loader import find
from policies.schema import FrozenInputs
from policies.verdict import judge
from policies.vocabulary import Decision, Evidence, Finding
from tasks.telemetry.inputs import FEWEST_REQUESTS, frozen_check
from tasks.telemetry.ports import Variety

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
POLICY = find("medium").policy
RULE = FrozenInputs(columns=("temp", "wind"), days=2, then="roll_back")


def day(column: str, number: int, distinct: int, n: int = 500, groups: int = 1) -> Variety:
    start = MONDAY + timedelta(days=number)
    return Variety(column=column, start=start, n=n, distinct=distinct, groups=groups)


def moving(column: str) -> list[Variety]:
    return [day(column, number, 24) for number in range(5)]


CASES = [
    ("nothing was seen", [], "scarce", None),
    ("both change", [*moving("temp"), *moving("wind")], "ok", 0.0),
    ("one column was never sent", moving("temp"), "scarce", None),
    (
        "one has had one value for two days",
        [*moving("wind"), day("temp", 2, 24), day("temp", 3, 1), day("temp", 4, 1)],
        "ok",
        1.0,
    ),
    (
        "one day of one value may be weather",
        [*moving("wind"), day("temp", 3, 24), day("temp", 4, 1)],
        "ok",
        0.0,
    ),
    (
        "it came back",
        [*moving("wind"), day("temp", 2, 1), day("temp", 3, 1), day("temp", 4, 9)],
        "ok",
        0.0,
    ),
    (
        "a day of few requests says nothing",
        [*moving("wind"), day("temp", 3, 1), day("temp", 4, 1, n=FEWEST_REQUESTS - 1)],
        "scarce",
        None,
    ),
    (
        "each of three stations has had one value",
        [*moving("wind"), *(day("temp", n, 3, groups=3) for n in (3, 4))],
        "ok",
        1.0,
    ),
    (
        "thirty stations with one request each say nothing",
        [*moving("wind"), *(day("temp", n, 30, n=30, groups=30) for n in (3, 4))],
        "scarce",
        None,
    ),
    (
        "one of three stations still tells",
        [*moving("wind"), *(day("temp", n, 9, groups=3) for n in (3, 4))],
        "ok",
        0.0,
    ),
    (
        "what is frozen counts though another was not seen",
        [day("temp", 3, 1), day("temp", 4, 1)],
        "ok",
        1.0,
    ),
]


@pytest.mark.parametrize(
    ("seen", "status", "effect"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_value_for_whole_days(seen: list[Variety], status: str, effect: float | None) -> None:
    """The last whole days decide; too little seen is never a pass."""
    found = frozen_check(RULE, seen)
    assert (found.status, found.effect) == (status, effect)


def frozen(then: str) -> Evidence:
    rule = RULE.model_copy(update={"then": then})
    return frozen_check(rule, [*moving("wind"), day("temp", 3, 1), day("temp", 4, 1)])


def test_the_policy_says_what_follows() -> None:
    """Rolled back where the champion sees as well as ever, held where it may be as blind."""
    shadow = POLICY.steps()[1]
    verdict = judge(POLICY, shadow, [frozen("roll_back")])
    assert (verdict.decision, verdict.finding) == (Decision.ROLL_BACK, Finding.HARMFUL)
    assert "temp: the same value in every request since 2024-01-04" in verdict.reason
    verdict = judge(POLICY, shadow, [frozen("hold")])
    assert (verdict.decision, verdict.finding) == (Decision.HOLD, Finding.INVALID)
