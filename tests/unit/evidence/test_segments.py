"""A guardrail's groups, each weighed by itself."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.loader import find
from policies.schema import Budget, Guardrail, Segments
from policies.verdict import judge
from policies.vocabulary import Decision, Finding, Moments, WindowPair
from tasks.evidence.sequential import weigh, weigh_all

POLICY = find("medium").policy
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
GROUPS = Segments(column="origin", values=("EWR", "LGA"), margin=0.08, rollback_at=0.03, share=0.5)
QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
    weight=0.6, information=15_000, segments=GROUPS, why="test",
)  # fmt: skip
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)
EWR, LGA = "quality · origin EWR", "quality · origin LGA"


def days(mean: float, count: int = 40, seed: int = 1, spread: float = 0.03) -> list[WindowPair]:
    rng = random.Random(seed)
    return [
        WindowPair(
            start=MIDNIGHT + timedelta(days=day),
            step="shadow",
            paired=Moments(n=300, mean=rng.gauss(mean, spread), m2=9.0),
        )
        for day in range(count)
    ]


def test_each_group_is_evidence_of_its_own() -> None:
    """Named after its value, with the group's margin, and a part of the guardrail's weight."""
    seen = {"quality": days(-0.02), EWR: days(-0.02, seed=2), LGA: days(-0.02, seed=3)}
    whole, ewr, lga = weigh_all([QUALITY], seen, BUDGET, margin_factor=3.0)
    assert [item.name for item in (whole, ewr, lga)] == ["quality", EWR, LGA]
    assert whole.margin == pytest.approx(0.06)
    assert (ewr.margin, lga.margin) == (0.08, 0.08)  # no stage widens what is due to a group
    assert (ewr.rollback_at, lga.rollback_at) == (0.03, 0.03)
    assert [item.weight for item in (whole, ewr, lga)] == pytest.approx([0.3, 0.15, 0.15])
    assert judge(POLICY, POLICY.steps()[1], [whole, ewr, lga]).decision is Decision.PASS


def test_a_group_that_was_not_seen_is_not_safe() -> None:
    """Declared and absent: the release holds, however good the others are."""
    seen = {"quality": days(-0.02), EWR: days(-0.02)}
    found = weigh_all([QUALITY], seen, BUDGET)
    assert found[2].status == "scarce"
    verdict = judge(POLICY, POLICY.steps()[1], found)
    assert (verdict.decision, verdict.finding) == (Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE)


def test_harm_to_one_group_rolls_back_though_the_whole_gains() -> None:
    """The others' gain does not pay for it."""
    seen = {"quality": days(-0.01), EWR: days(-0.08, seed=2), LGA: days(0.12, seed=3)}
    verdict = judge(POLICY, POLICY.steps()[1], weigh_all([QUALITY], seen, BUDGET))
    assert verdict.decision is Decision.ROLL_BACK
    assert verdict.reason.startswith(f"{LGA} is worse than 0.03 allows")


def test_without_groups_nothing_changes() -> None:
    """The whole keeps its weight and its evidence to the last digit."""
    plain = QUALITY.model_copy(update={"segments": None})
    assert weigh_all([plain], {"quality": days(0.01)}, BUDGET) == [weigh(plain, days(0.01), BUDGET)]
    assert weigh_all([plain], {}, BUDGET) == []


@given(st.integers(1, 9), st.floats(0.01, 0.99), st.floats(0.01, 1.0))
def test_groups_never_add_to_the_budget(count: int, share: float, weight: float) -> None:
    """Whole and groups together weigh what the guardrail was given."""
    groups = GROUPS.model_copy(
        update={"values": tuple(str(n) for n in range(count)), "share": share}
    )
    rail = QUALITY.model_copy(update={"segments": groups, "weight": weight})
    parts = [rail.whole(), *rail.by_segment().values()]
    assert math.fsum(part.weight for part in parts) == pytest.approx(weight)
    assert len({part.name for part in parts}) == count + 1
