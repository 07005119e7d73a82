"""The gap between a group and everybody else, and what a policy says of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.errors import EvidenceError
from policies.loader import find
from policies.schema import Budget, Gap, Guardrail
from policies.verdict import judge
from policies.vocabulary import Decision, Evidence, Finding, Moments, Verdict, WindowPair
from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.gap import against_others
from tasks.evidence.recompute import Answer, recompute
from tasks.evidence.sequential import weigh, weigh_all
from tasks.evidence.summary import merge_moments, moments_of, subtract_moments
from tests.unit.evidence.recorded_look import entries

POLICY = find("medium").policy
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
GAP: dict[str, Any] = {
    "column": "sex", "values": ("f", "x"), "reported": ("x",), "min_rows": 200, "margin": 0.08,
    "rollback_at": 0.03, "share": 0.5, "information": 5000,
}  # fmt: skip
QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
    weight=0.8, information=15_000, gap=Gap(**GAP), why="test",
)  # fmt: skip
F, X = "quality · gap of sex f", "quality · gap of sex x"
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)
VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


def day(number: int, mean: float, n: int, step: str = "shadow") -> WindowPair:
    start = MIDNIGHT + timedelta(days=number)
    return WindowPair(start=start, step=step, paired=Moments(n=n, mean=mean, m2=n * 0.1))


def seen(
    others: float, f: float, x: float | None = None, days: int = 28, rows: int = 60
) -> dict[str, list[WindowPair]]:
    """Windows by guardrail; the whole is what its groups add up to."""
    rng = random.Random(7)
    whole: list[WindowPair] = []
    groups: dict[str, list[WindowPair]] = {"f": [], "x": []}
    for number in range(days):
        weather = rng.gauss(0, 0.05)  # of everybody's day: no gap
        total = day(number, others + weather + rng.gauss(0, 0.01), 300)
        for name, mean, n in (("f", f, rows), ("x", x, 5)):
            if mean is None:
                continue
            own = day(number, mean + weather + rng.gauss(0, 0.02), n)
            groups[name].append(own)
            assert total.paired is not None and own.paired is not None
            merged = merge_moments(total.paired, own.paired)
            total = total.model_copy(update={"paired": merged})
        whole.append(total)
    parts = {F: groups["f"], X: groups["x"]}
    return {"quality": whole} | {k: list(against_others(whole, v)) for k, v in parts.items()}


def weighed(**windows: Any) -> dict[str, Evidence]:
    return {item.name: item for item in weigh_all([QUALITY], seen(**windows), BUDGET)}


def judged(found: dict[str, Evidence]) -> Verdict:
    return judge(POLICY, POLICY.steps()[1], list(found.values()))


def test_better_for_all_and_worse_for_one_group_is_rolled_back() -> None:
    """The whole gains; the group is left behind by more than the gap allows."""
    found = weighed(others=-0.05, f=0.12)
    assert (found["quality"].effect or 0) < -0.01
    verdict = judged(found)
    assert verdict.decision is Decision.ROLL_BACK
    assert verdict.reason.startswith(f"{F} is worse than 0.03 allows: effect +0.1")
    codes = {item.name: item.code for item in verdict.judged}
    assert codes == {"quality": "within_margin", F: "harm_proven", X: "reported_only"}


def test_a_group_that_gains_as_others_do_passes() -> None:
    """Its days go up and down with everybody's, which is no gap."""
    found = weighed(others=-0.05, f=-0.05)
    assert abs(found[F].effect or 1) < 0.02
    assert (found[F].margin, found[F].rollback_at) == (0.08, 0.03)
    verdict = judged(found)
    assert (verdict.decision, verdict.finding) == (Decision.PASS, Finding.SAFE)
    assert verdict.reason.endswith(f"Reported, and not waited for: {X}.")


def test_a_group_may_gain_less_than_the_others_within_the_margin() -> None:
    """What is judged is the distance: who was badly served before may be so still."""
    assert judged(weighed(others=-0.05, f=-0.03)).decision is Decision.PASS
    worse = judged(weighed(others=0.0, f=0.07))  # not shown to be within .08
    assert worse.decision is not Decision.PASS


def test_a_required_group_with_too_few_rows_blocks_and_says_so() -> None:
    """28 days of 5 rows are not 200, however good they look."""
    found = weighed(others=-0.05, f=-0.05, rows=5)
    verdict = judged(found)
    assert (verdict.decision, verdict.finding) == (Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)
    assert "140 of at least 200 rows of sex f." in verdict.reason
    unseen = judged({F: weighed(others=0.0, f=0.0, days=0)[F]})
    assert unseen.decision is Decision.HOLD and "0 of at least 200 rows" in unseen.reason


def test_harm_to_a_group_counts_before_it_is_many() -> None:
    """Also where the group is only reported: nobody waits for it to be safe, nobody looks away."""
    found = weighed(others=-0.05, f=-0.05, x=0.6)
    assert found[X].n == 140 and not found[X].required
    verdict = judged(found)
    assert verdict.decision is Decision.ROLL_BACK and verdict.reason.startswith(X)


def test_only_reported_groups_pass_nothing() -> None:
    """A look that shows nothing but what nobody waits for is no proof of anything."""
    assert judged({X: weighed(others=0.0, f=0.0)[X]}).decision is Decision.HOLD


def test_the_whole_and_its_gaps_share_the_weight() -> None:
    found = weighed(others=0.0, f=0.0)
    assert [item.weight for item in found.values()] == pytest.approx([0.4, 0.2, 0.2])
    plain = weigh(QUALITY.whole(), seen(others=0.0, f=0.0)["quality"], BUDGET)
    assert found["quality"] == plain


def test_windows_in_any_order_and_in_parts_are_one() -> None:
    """Recomputed from what was recorded, it is the same to the last digit."""
    windows = seen(others=-0.05, f=0.02)
    part = QUALITY.by_gap()["f"]
    told = weigh(part, windows[F], BUDGET)
    assert weigh(part, list(reversed(windows[F])), BUDGET) == told
    assert weigh(part, told.windows, BUDGET) == told
    assert all(window.others is not None for window in told.windows)


def test_a_recorded_gap_is_recomputed_from_its_file_alone() -> None:
    """Group and others are in the look; who says that nobody waits for the group is found out."""
    quality = QUALITY.model_copy(update={"weight": 1.0})
    policy = POLICY.model_copy(update={"guardrails": (quality,)})
    recorded = entries(seen(others=-0.05, f=-0.05), step=POLICY.steps()[1], policy=policy)
    text = evidence_of(recorded)
    found = recompute(read_evidence(text.encode()))
    assert (found.answer, found.differences) == (Answer.SAME, ())
    altered = text.replace('"required": true', '"required": false')
    differences = {each.what for each in recompute(read_evidence(altered.encode())).differences}
    assert f"{F}: required" in differences


def test_windows_that_cannot_be_are_refused() -> None:
    """Rows of a group that the whole has not; more of them than of all; no others recorded."""
    with pytest.raises(EvidenceError, match="and the whole has none"):
        against_others([], [day(0, 0.1, 5)])
    with pytest.raises(EvidenceError, match="more than the 5 of all groups"):
        against_others([day(0, 0.1, 5)], [day(0, 0.1, 6)])
    with pytest.raises(EvidenceError, match="lacks the rows outside of the group"):
        weigh(QUALITY.by_gap()["f"], [day(0, 0.1, 5)], BUDGET)


def test_a_day_of_one_side_alone_says_nothing() -> None:
    """A group that is everybody has no others to move away from."""
    whole = [day(number, 0.5, 40) for number in range(20)]
    windows = {"quality": whole, F: list(against_others(whole, whole))}
    found = weigh_all([QUALITY], windows, BUDGET)[1]
    assert (found.status, found.n, found.log_e_harm) == ("scarce", 0, 0.0)


@given(VALUES, VALUES)
def test_subtracting_is_merging_backwards(group: list[float], others: list[float]) -> None:
    """Whole minus group is what the other rows by themselves are."""
    part, rest = moments_of(group), moments_of(others)
    found = subtract_moments(merge_moments(part, rest), part)
    assert found.n == rest.n
    assert found.mean == pytest.approx(rest.mean, abs=1e-9)
    assert found.m2 == pytest.approx(rest.m2, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_harm_to_the_group_never_looks_safer(low: float, more: float) -> None:
    """Shifting the group's every day for the worse moves both e-values the right way."""
    base = seen(others=0.0, f=0.0, days=9)[F]
    part = QUALITY.by_gap()["f"]

    def shifted(by: float) -> Evidence:
        groups = [window.paired or Moments(n=0) for window in base]
        moved = [
            window.model_copy(update={"paired": group.model_copy(update={"mean": group.mean + by})})
            for window, group in zip(base, groups, strict=True)
        ]
        return weigh(part, moved, BUDGET)

    better, worse = shifted(low), shifted(low + more)
    assert (worse.log_e_safe or 0) <= (better.log_e_safe or 0) + 1e-9
    assert (worse.effect or 0) >= (better.effect or 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rollback_at": 0.08}, "rollback_at must be smaller"),
        ({"reported": ("z",)}, "not among the values"),
        ({"values": ("f", "f"), "reported": ()}, "a group twice"),
        ({"min_rows": 0}, "min_rows"),
    ],
)
def test_a_gap_that_cannot_be_judged_is_no_policy(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Gap(**GAP | wrong)


def test_a_gap_belongs_to_paired_quality() -> None:
    """Rates are not taken by group; and the whole keeps some weight of its own."""
    fields = QUALITY.model_dump() | {"kind": "proportion", "metric": "error"}
    with pytest.raises(ValidationError, match="gap belongs to a paired_mean"):
        Guardrail.model_validate(fields)
    segments = {"column": "sex", "values": ("f",), "margin": 0.1, "rollback_at": 0.0, "share": 0.5}
    with pytest.raises(ValidationError, match="leave some weight"):
        Guardrail.model_validate(QUALITY.model_dump() | {"segments": segments})
