"""What cannot be, or says nothing: never a pass, never a crash, always a finding with its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from policies.schema import Guardrail
from policies.verdict import judge
from policies.vocabulary import Counts, Decision, Finding, Moments, WindowPair
from tasks.evidence.sequential import weigh_all
from tasks.evidence.step import weigh_step
from tests.unit.evidence.rails import ARMS, BUDGET, MEANS, POLICY, RAILS, STEP, verdict, windows

Windows = list[WindowPair]
GOOD = {name: windows(rail) for name, rail in RAILS.items()}


def last(name: str, **changes: Any) -> Windows:
    """Good windows, and in the last one the candidate's summary with something else in it."""
    *before, final = GOOD[name]
    arm = ARMS[RAILS[name].kind]
    old = getattr(final, arm)
    if changes.get("arm", "there") is None:
        return [*before, final.model_copy(update={arm: None})]
    new = type(old).model_construct(**{**old.model_dump(), **changes})
    return [*before, final.model_copy(update={arm: new})]


def every(name: str, **changes: Any) -> Windows:
    """Windows whose arms, all of them, say something else."""
    fields = ("paired", "champion", "candidate", "champion_units", "candidate_units")
    return [
        each.model_copy(
            update={f: arm.model_copy(update=changes) for f in fields if (arm := getattr(each, f))}
        )
        for each in GOOD[name]
    ]


@pytest.mark.parametrize("name", RAILS)
def test_what_is_corrupted_below_would_pass(name: str) -> None:
    """Else the tables of this file would prove nothing; and three margins worse rolls back."""
    assert verdict(RAILS[name], GOOD[name]).decision is Decision.PASS
    worse = verdict(RAILS[name], windows(RAILS[name], worse=3.0))
    assert worse.decision is Decision.ROLL_BACK


BROKEN: dict[str, Callable[[str], Windows]] = {
    "a window twice": lambda name: [*GOOD[name], GOOD[name][3]],
    "an arm that is missing": lambda name: last(name, arm=None),
    "a negative count": lambda name: last(name, n=-1),
    "an endless count": lambda name: last(name, n=math.inf),
    "a start without a time zone": lambda name: [
        GOOD[name][0].model_copy(update={"start": GOOD[name][0].start.replace(tzinfo=None)}),
        *GOOD[name][1:],
    ],
}
OF_RATES: dict[str, Callable[[str], Windows]] = {
    "more events than rows": lambda name: last(name, events=40_001),
    "negative events": lambda name: last(name, events=-1),
    "events that are no number": lambda name: last(name, events=math.nan),
    "a mean in place of counts": lambda _: GOOD["mean, day"],
}
OF_MEANS: dict[str, Callable[[str], Windows]] = {
    "a mean that is no number": lambda name: last(name, mean=math.nan),
    "an endless mean": lambda name: last(name, mean=-math.inf),
    "a negative variance": lambda name: last(name, m2=-1.0),
    "a variance that is no number": lambda name: last(name, m2=math.nan),
    "an endless variance": lambda name: last(name, m2=math.inf),
    "a mean beyond reason": lambda name: last(name, mean=1e308),
    "counts in place of a mean": lambda _: GOOD["rate, day"],
}
OF_DAYS: dict[str, Callable[[str], Windows]] = {
    "a part of a day": lambda name: [
        *GOOD[name],
        GOOD[name][0].model_copy(update={"start": GOOD[name][0].start + timedelta(hours=6)}),
    ],
}


def _cases() -> list[Any]:
    found = []
    for name, rail in RAILS.items():
        table = BROKEN | (OF_MEANS if name in MEANS else OF_RATES)
        table |= OF_DAYS if rail.unit == "day" else {}
        found += [pytest.param(name, make, id=f"{name}: {what}") for what, make in table.items()]
    return found


@pytest.mark.parametrize(("name", "make"), _cases())
def test_what_cannot_be_is_an_invalid_comparison(name: str, make: Callable[[str], Windows]) -> None:
    """One such window among good ones: the guardrail holds, and says what is wrong."""
    found = verdict(RAILS[name], make(name))
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
    (told,) = found.judged
    assert told.code == "comparison_broken" and len(told.reason) > len("rail: ")


NOTHING: dict[str, Callable[[str], Windows]] = {
    "no windows": lambda _: [],
    "an empty arm": lambda name: [
        each.model_copy(update={ARMS[RAILS[name].kind]: _empty(name)}) for each in GOOD[name]
    ],
    "one row": lambda name: windows(RAILS[name], 1, rows=1),
    "one row a window": lambda name: _single(name),
}


def _empty(name: str) -> Counts | Moments:
    return Counts(n=0, events=0) if name not in MEANS else Moments(n=0)


def _single(name: str) -> Windows:
    kind = {"n": 1, "events": 0} if name not in MEANS else {"n": 1, "m2": 0.0}
    return every(name, **kind)[:6]


@pytest.mark.parametrize("what", NOTHING)
@pytest.mark.parametrize("name", RAILS)
def test_what_says_nothing_is_not_enough_evidence(name: str, what: str) -> None:
    found = verdict(RAILS[name], NOTHING[what](name))
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)
    assert found.judged[0].code in ("too_little_data", "not_yet_within_margin")


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("mean", [0.0, 0.01, -3.0, 1e6])
def test_values_that_never_vary_prove_nothing(name: str, mean: float) -> None:
    """Every difference the same to the last digit: perhaps the champion answers for both."""
    found = verdict(RAILS[name], every(name, mean=mean, m2=0.0))
    assert found.decision is not Decision.PASS
    if RAILS[name].unit == "day" and mean <= 0.0:
        assert "show the very same difference" in found.reason


def test_no_event_anywhere_is_proof_of_rates_only_by_rows() -> None:
    """Nought of ten is not nought of a million, and a share of nought is nothing."""
    for name, rail in RAILS.items():
        if name in MEANS:
            continue
        few = verdict(rail, every(name, n=10, events=0))
        assert (few.decision, few.judged[0].code) == (Decision.HOLD, "not_yet_within_margin")
        many = verdict(rail, every(name, n=10**6, events=0))
        assert many.decision is (Decision.HOLD if rail.relative else Decision.PASS)


@pytest.mark.parametrize("name", [name for name in RAILS if name not in MEANS])
def test_a_thousand_million_rows_a_window_are_weighed(name: str) -> None:
    """Equal rates are not harm, and twice the events are."""
    n = 10**9
    same = every(name, n=n, events=n // 100)
    assert verdict(RAILS[name], same).decision is not Decision.ROLL_BACK
    twice = [
        each.model_copy(update={"candidate": Counts(n=n, events=n // 50 + place)})
        for place, each in enumerate(same)
    ]
    assert verdict(RAILS[name], twice).decision is Decision.ROLL_BACK


@pytest.mark.parametrize("name", ["mean, day", "mean, user"])
@pytest.mark.parametrize("shift", [-1e6, -10.0, 1e6])
def test_where_values_lie_does_not_matter(name: str, shift: float) -> None:
    """Means of a million with a spread of two, and values below nought."""
    moved = [
        each.model_copy(
            update={
                arm: old.model_copy(update={"mean": old.mean + shift})
                for arm in ("champion_units", "candidate_units")
                if (old := getattr(each, arm))
            }
        )
        for each in GOOD[name]
    ]
    (plain,) = weigh_all([RAILS[name]], {"rail": GOOD[name]}, BUDGET)
    (found,) = weigh_all([RAILS[name]], {"rail": moved}, BUDGET)
    assert found.log_e_safe == pytest.approx(plain.log_e_safe, rel=1e-4)
    assert found.log_e_harm == pytest.approx(plain.log_e_harm, rel=1e-4)


def test_a_share_of_a_mean_below_nought_is_refused() -> None:
    """Ten percent more than minus ten is less: the bound would stand on its head."""
    for direction in ("up", "down"):
        rail = RAILS["mean, user, relative"].model_copy(update={"direction": direction})
        found = verdict(rail, every("mean, user, relative", mean=-10.0))
        assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
        assert "below zero" in found.reason


PLANS = [
    ("an unknown kind", {"kind": "oracle"}, "unknown kind 'oracle'"),
    ("a margin of the wrong sign", {"margin": -0.01, "rollback_at": -0.02}, "bounds are of harm"),
    ("no margin", {"margin": 0.0, "rollback_at": 0.0}, "bounds are of harm"),
    ("a margin that is no number", {"margin": math.nan}, "bounds are of harm"),
    ("rollback_at beyond the margin", {"rollback_at": 5.0}, "bounds are of harm"),
    ("nothing planned", {"information": 0.0}, "plans for information 0.0"),
    ("an endless plan", {"information": math.inf}, "plans for information inf"),
]


@pytest.mark.parametrize(("what", "changes", "named"), PLANS, ids=[case[0] for case in PLANS])
@pytest.mark.parametrize("name", RAILS)
def test_a_plan_that_cannot_be_is_an_invalid_comparison(
    name: str, what: str, changes: dict[str, Any], named: str
) -> None:
    """The schema refuses these in a policy; nothing that gets around it passes."""
    rail: Guardrail = RAILS[name].model_copy(update=changes)
    with pytest.raises(ValueError):
        Guardrail.model_validate(rail.model_dump())
    found = verdict(rail, GOOD[name])
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
    assert named in found.reason


def test_windows_of_another_plan_are_no_evidence() -> None:
    """A step that the release's policy does not have: the plan was changed, or the windows."""
    (quality, *_) = [rail for rail in POLICY.guardrails if rail.kind == "paired_mean"]
    good = windows(quality, 30)
    seen = {quality.name: [*good[:-1], good[-1].model_copy(update={"step": "canary 6.66 %"})]}
    found = judge(POLICY, STEP, weigh_step(POLICY, STEP, seen))
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
    assert "no step of the policy" in found.reason
    as_planned = judge(POLICY, STEP, weigh_step(POLICY, STEP, {quality.name: good}))
    assert as_planned.finding is not Finding.INVALID


def test_what_is_broken_does_not_hide_harm() -> None:
    """A guardrail whose windows cannot be holds; another's proven harm still rolls back."""
    whole = RAILS["paired, day"]
    rails = [whole.model_copy(update={"name": name, "weight": 0.5}) for name in ("one", "other")]
    seen = {"one": last("paired, day", n=-1), "other": windows(whole, 30, worse=4.0)}
    found = judge(POLICY, STEP, weigh_all(rails, seen, BUDGET))
    assert found.decision is Decision.ROLL_BACK
    assert [each.finding for each in found.judged] == [Finding.INVALID, Finding.HARMFUL]
