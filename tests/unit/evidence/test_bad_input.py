"""What cannot be, or says nothing: never a pass, never a crash, always a finding with its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from policies.schema import Guardrail
from policies.verdict import judge
from policies.vocabulary import (
    Counts,
    Decision,
    Finding,
    Judged,
    Moments,
    PairMoments,
    Verdict,
    WindowPair,
)
from tasks.evidence.sequential import weigh, weigh_all
from tasks.evidence.step import weigh_step
from tasks.evidence.telling import TOO_LARGE
from tests.unit.evidence.rails import (
    ARMS,
    ASKS,
    BUDGET,
    MEANS,
    POLICY,
    RAILS,
    RATIOS,
    STEP,
    pairs_at,
    verdict,
    windows,
)

Windows = list[WindowPair]
ALL_ARMS = (
    "paired", "others", "champion", "candidate", "champion_units", "candidate_units",
    "champion_pairs", "candidate_pairs",
)  # fmt: skip
GOOD = {name: windows(rail) for name, rail in RAILS.items()}
RATES = [name for name in RAILS if name not in (*MEANS, *RATIOS)]


def of_rail(found: Verdict) -> Judged:
    """What was found of the guardrail itself; a gap is judged after its whole."""
    return found.judged[-1]


def last(name: str, *, of: str | None = None, **changes: Any) -> Windows:
    """Good windows, and in the last one the candidate's summary with something else in it."""
    *before, final = GOOD[name]
    arm = of or ARMS[RAILS[name].kind]
    old = getattr(final, arm)
    if changes.get("arm", "there") is None:
        return [*before, final.model_copy(update={arm: None})]
    new = type(old).model_construct(**{**old.model_dump(), **changes})
    return [*before, final.model_copy(update={arm: new})]


def every(name: str, **changes: Any) -> Windows:
    """Windows whose arms, all of them, say something else."""
    return [
        each.model_copy(
            update={
                f: arm.model_copy(update=changes) for f in ALL_ARMS if (arm := getattr(each, f))
            }
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
OF_RATIOS: dict[str, Callable[[str], Windows]] = {
    "a sum that is no number": lambda name: last(name, mean_y=math.nan),
    "an endless sum": lambda name: last(name, mean_y=math.inf),
    "an endless sum below": lambda name: last(name, mean_x=math.inf),
    "a negative variance": lambda name: last(name, m2_y=-1.0),
    "a negative variance below": lambda name: last(name, m2_x=-1.0),
    "a variance that is no number": lambda name: last(name, m2_x=math.nan),
    "an endless variance": lambda name: last(name, m2_y=math.inf),
    "a sum beyond reason": lambda name: last(name, mean_y=1e308),
    "sums that vary together by more than each": lambda name: last(name, c_xy=1e9),
    "sums that vary together by no number": lambda name: last(name, c_xy=math.nan),
    "the champion missing": lambda name: last(name, of="champion_pairs", arm=None),
    "the champion's negative variance": lambda name: last(name, of="champion_pairs", m2_y=-1.0),
    "a mean in place of two sums": lambda _: GOOD["mean, user"],
}
OF_GAPS: dict[str, Callable[[str], Windows]] = {
    "the others missing": lambda name: last(name, of="others", arm=None),
    "others whose mean is no number": lambda name: last(name, of="others", mean=math.nan),
    "an endless mean of the others": lambda name: last(name, of="others", mean=math.inf),
    "others of a negative variance": lambda name: last(name, of="others", m2=-1.0),
    "a negative count of others": lambda name: last(name, of="others", n=-1),
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
        table = BROKEN | (OF_MEANS if name in MEANS else OF_RATIOS if name in RATIOS else OF_RATES)
        table |= OF_DAYS if rail.unit == "day" else {}
        table |= OF_GAPS if rail.gap is not None else {}
        found += [pytest.param(name, make, id=f"{name}: {what}") for what, make in table.items()]
    return found


@pytest.mark.parametrize(("name", "make"), _cases())
def test_what_cannot_be_is_an_invalid_comparison(name: str, make: Callable[[str], Windows]) -> None:
    """One such window among good ones: the guardrail holds, and says what is wrong."""
    found = verdict(RAILS[name], make(name))
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
    told = of_rail(found)
    assert told.code == "comparison_broken" and len(told.reason) > len(f"{RAILS[name].name}: ")
    assert TOO_LARGE not in told.reason  # what an overflow would say, whatever the fault was


NOTHING: dict[str, Callable[[str], Windows]] = {
    "no windows": lambda _: [],
    "an empty arm": lambda name: [
        each.model_copy(update={ARMS[RAILS[name].kind]: _empty(name)}) for each in GOOD[name]
    ],
    "one row": lambda name: windows(RAILS[name], 1, rows=1),
    "one row a window": lambda name: _single(name),
}


def _empty(name: str) -> Counts | Moments | PairMoments:
    if name in RATIOS:
        return PairMoments(n=0)
    return Counts(n=0, events=0) if name in RATES else Moments(n=0)


def _single(name: str) -> Windows:
    """Six rows, or users, in all: each alone in its window."""
    kind: dict[str, float] = {"n": 1, "events": 0} if name in RATES else {"n": 1, "m2": 0.0}
    if name in RATIOS:
        kind = {"n": 1, "m2_x": 0.0, "m2_y": 0.0, "c_xy": 0.0}
    return every(name, **kind)[:6]


@pytest.mark.parametrize("what", NOTHING)
@pytest.mark.parametrize("name", RAILS)
def test_what_says_nothing_is_not_enough_evidence(name: str, what: str) -> None:
    found = verdict(RAILS[name], NOTHING[what](name))
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)
    assert of_rail(found).code in ("too_little_data", "not_yet_within_margin")


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("mean", [0.0, 0.01, -3.0, 1e6])
def test_values_that_never_vary_prove_nothing(name: str, mean: float) -> None:
    """Every difference the same to the last digit: perhaps the champion answers for both."""
    found = verdict(RAILS[name], every(name, mean=mean, m2=0.0))
    assert found.decision is not Decision.PASS
    if RAILS[name].unit == "day" and (mean <= 0.0 or RAILS[name].gap is not None):
        assert "show the very same difference" in found.reason


@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("cost", [0.0, 0.01, 10.0, 1e6])
def test_users_who_are_all_the_same_prove_nothing(name: str, cost: float) -> None:
    """Everybody asks as often and pays as much, in both arms."""
    alike = {"mean_x": ASKS, "mean_y": cost * ASKS, "m2_x": 0.0, "m2_y": 0.0, "c_xy": 0.0}
    assert verdict(RAILS[name], every(name, **alike)).decision is Decision.HOLD


@pytest.mark.parametrize("name", RATIOS)
def test_nothing_below_is_no_ratio(name: str) -> None:
    """Nobody asked anything, and somebody paid: nothing can be divided by nought."""
    found = verdict(RAILS[name], every(name, mean_x=0.0, m2_x=0.0, c_xy=0.0))
    assert (found.decision, found.finding) == (Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)


def test_no_event_anywhere_is_proof_of_rates_only_by_rows() -> None:
    """Nought of ten is not nought of a million, and a share of nought is nothing."""
    for name in RATES:
        rail = RAILS[name]
        few = verdict(rail, every(name, n=10, events=0))
        assert (few.decision, few.judged[0].code) == (Decision.HOLD, "not_yet_within_margin")
        many = verdict(rail, every(name, n=10**6, events=0))
        assert many.decision is (Decision.HOLD if rail.relative else Decision.PASS)


@pytest.mark.parametrize("name", RATES)
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


@pytest.mark.parametrize("name", [*MEANS, *RATIOS])
def test_a_thousand_million_of_them_are_weighed(name: str) -> None:
    """As good is not harm, and three margins worse is."""
    rail = RAILS[name]
    many = [windows(rail, worse=worse, rows=10**9) for worse in (0.0, 3.0)]
    assert verdict(rail, many[0]).decision is not Decision.ROLL_BACK
    assert verdict(rail, many[1]).decision is Decision.ROLL_BACK


@pytest.mark.parametrize("name", ["mean, day", "mean, user", "gap, day"])
@pytest.mark.parametrize("shift", [-1e6, -10.0, 1e6])
def test_where_values_lie_does_not_matter(name: str, shift: float) -> None:
    """Means of a million with a spread of two, and values below nought."""
    moved = [
        each.model_copy(
            update={
                arm: old.model_copy(update={"mean": old.mean + shift})
                for arm in ("paired", "others", "champion_units", "candidate_units")
                if (old := getattr(each, arm))
            }
        )
        for each in GOOD[name]
    ]
    plain, found = (weigh(RAILS[name], each, BUDGET) for each in (GOOD[name], moved))
    assert found.log_e_safe == pytest.approx(plain.log_e_safe, rel=1e-4)
    assert found.log_e_harm == pytest.approx(plain.log_e_harm, rel=1e-4)


def test_a_share_of_a_mean_below_nought_is_refused() -> None:
    """Ten percent more than minus ten is less: the bound would stand on its head."""
    for direction in ("up", "down"):
        rail = RAILS["mean, user, relative"].model_copy(update={"direction": direction})
        found = verdict(rail, every("mean, user, relative", mean=-10.0))
        assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
        assert "below zero" in found.reason


def test_a_share_of_a_ratio_below_nought_is_refused() -> None:
    """As of a mean; in the metric's own unit it is weighed."""
    below = every("ratio, user", **pairs_at(-10.0, 40_000).model_dump())
    for direction in ("up", "down"):
        rail = RAILS["ratio, user, relative"].model_copy(update={"direction": direction})
        found = verdict(rail, below)
        assert (found.decision, found.finding) == (Decision.HOLD, Finding.INVALID)
        assert "below zero" in found.reason
    assert verdict(RAILS["ratio, user"], below).decision is Decision.PASS
    later = [GOOD["ratio, user"][0], *below[1:]]  # refunds, after the ratio was taken
    assert verdict(RAILS["ratio, user, relative"], later).finding is Finding.INVALID


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
