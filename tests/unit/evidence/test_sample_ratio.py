"""The split of the users: an alarm when it is not the one asked for, and hardly ever else."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.verdict import judge
from policies.vocabulary import Counts, Evidence, Finding, Step, WindowPair
from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.recompute import Answer, recompute
from tasks.evidence.sample_ratio import (
    ALARM,
    NAME,
    log_bayes_factor,
    log_e_split,
    sample_ratio,
)
from tests.unit.evidence.recorded_look import POLICY, entries, restamped
from tests.unit.evidence.recorded_look import windows as recorded

CANARY, RAMP = (step for step in POLICY.steps() if step.name in ("canary 5 %", "ramp 25 %"))
MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)

# ssrm-test 0.1.5: the first is its own regression test (test_ssrm_test.py, seed 0: Bayes factor
# 1.0017496120131435), the others what sequential_posteriors computes.
SSRM_TEST = [
    ((2, 1, 7), (0.1, 0.5, 0.4), math.log(1.0017496120131435)),
    ((950, 50), (0.95, 0.05), -0.0476702813),
    ((1000, 100), (0.95, 0.05), 1.7840285382),
    ((100, 900), (0.5, 0.5), 29.0716028261),
    ((9800, 200), (0.99, 0.01), 21.3451538215),
    ((5000, 0), (0.95, 0.05), 49.4390191497),
    ((502_000, 498_000), (0.5, 0.5), 5.6132356189),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "shares", "log_bf"), SSRM_TEST)
def test_bayes_factors_are_those_of_ssrm_test(
    counts: tuple[int, ...], shares: tuple[float, ...], log_bf: float
) -> None:
    assert log_bayes_factor(counts, shares) == pytest.approx(log_bf, abs=1e-8)


# growthbook/growthbook, packages/stats/tests/test_ssrm.py: p = 1 / Bayes factor, at .05.
@pytest.mark.parametrize(
    ("counts", "is_low"), [((500, 500), False), ((100, 900), True), ((0, 0), False)]
)
def test_growthbook_finds_the_same_ones(counts: tuple[int, int], *, is_low: bool) -> None:
    assert (math.exp(-log_bayes_factor(counts, (0.5, 0.5))) < 0.05) is is_low


def test_a_gross_mistake_needs_few_units() -> None:
    """Everybody sent to the candidate: thirty units where half were asked for."""
    limit = math.log(3 / ALARM)
    assert log_bayes_factor((0, 30), (0.5, 0.5)) < 1.0
    assert log_e_split(0, 30, 0.5) > limit
    assert log_e_split(400, 0, 0.05) > limit > log_e_split(380, 20, 0.05)
    assert log_e_split(10**9, 10**9, 0.5) < 0.0


@given(champion=st.integers(0, 60), candidate=st.integers(0, 60),
       share=st.floats(0.01, 0.99))  # fmt: skip
def test_a_fair_next_unit_gains_nothing(champion: int, candidate: int, share: float) -> None:
    """The mean of the factor over the next unit is the factor: that is what allows every look."""
    now = math.exp(log_e_split(champion, candidate, share))
    after = (share * math.exp(log_e_split(champion, candidate + 1, share))
             + (1.0 - share) * math.exp(log_e_split(champion + 1, candidate, share)))  # fmt: skip
    assert after == pytest.approx(now, rel=1e-9)


def window(day: int, champion: int, candidate: int, step: Step = CANARY) -> WindowPair:
    return WindowPair(
        start=MIDNIGHT + timedelta(days=day),
        step=step.name,
        champion=Counts(n=champion, events=0),
        candidate=Counts(n=candidate, events=0),
    )


def test_nobody_counted_is_not_shown() -> None:
    """No units, none at this step, none of either arm: never a split that holds."""
    for windows in ([], [window(0, 0, 0)], [window(0, 950, 50)]):
        found = sample_ratio(POLICY, RAMP, windows)
        assert (found.status, found.n, found.effect) == ("scarce", 0, None)
        assert found.windows == tuple(windows)


def test_a_split_as_asked_holds() -> None:
    found = sample_ratio(POLICY, CANARY, [window(0, 950, 50)])
    assert (found.name, found.kind, found.status, found.n) == (NAME, "check", "ok", 1000)
    assert found.effect is not None and found.limit is not None and found.effect < found.limit
    assert found.detail.startswith("canary 5 %: 50 of 1,000 units were sent to the candidate, 5.00")


def test_steps_are_never_pooled() -> None:
    """Each by its own weight; together they would be neither."""
    found = sample_ratio(POLICY, RAMP, [window(0, 9500, 500), window(1, 750, 250, RAMP)])
    assert (found.status, found.n) == ("ok", 11_000)


def test_a_broken_split_is_no_comparison_for_good() -> None:
    """Also when later days are as asked, or a later step is: what users met is not undone."""
    broken = window(0, 900, 0)
    mended = [window(day, 950, 50) for day in range(1, 90)]
    later = [window(90, 7500, 2500, RAMP)]
    for step, windows in ((CANARY, [broken]), (CANARY, [broken, *mended]),
                          (RAMP, [broken, *mended, *later])):  # fmt: skip
        found = sample_ratio(POLICY, step, windows)
        assert found.status == "invalid", step.name
        assert "canary 5 %" in found.detail and "begin again" in found.detail


def test_a_broken_split_holds_and_proven_harm_still_rolls_back() -> None:
    """Invalid is no pass; and no candidate is kept because of it."""
    check = sample_ratio(POLICY, CANARY, [window(0, 900, 0)])
    rail = Evidence(name="quality", kind="sequential", weight=1.0, margin=0.1, rollback_at=0.04,
                    effect=0.0, log_e_harm=0.0, log_e_safe=9.0, n=9, clusters=9)  # fmt: skip
    held = judge(POLICY, CANARY, [rail, check])
    assert (held.decision, held.finding) == ("HOLD", Finding.INVALID)
    assert "sample ratio: the comparison is broken" in held.reason
    harmed = rail.model_copy(update={"log_e_harm": 9.0})
    assert judge(POLICY, CANARY, [harmed, check]).decision == "ROLL BACK"


def test_a_recorded_split_is_recomputed_from_its_counts() -> None:
    """A check that somebody has talked well is found out, as a guardrail is."""
    seen = {**recorded(), NAME: [window(0, 900, 0)]}
    look = json.loads(evidence_of(entries(seen)))
    assert recompute(read_evidence(json.dumps(look).encode())).answer is Answer.SAME
    (item,) = [e for e in look["looked"]["payload"]["evidence"] if e["name"] == NAME]
    item["status"] = "ok"
    found = recompute(read_evidence(restamped(look)))
    assert found.answer is Answer.DIFFERS
    assert "sample ratio: status" in [each.what for each in found.differences]
