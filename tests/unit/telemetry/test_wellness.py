"""The doctor of telemetry: what is wrong is said, with what to do; what is well is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies import loader
from policies.lifecycle import Release
from policies.vocabulary import TrafficPlan
from tasks.telemetry.ports import AgeShare, ArmSeen, MetricSeen, Survey
from tasks.telemetry.wellness import Check, checks

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
POLICY = loader.load(loader.CATALOG / "flight-delay.yaml").policy  # labels within 12 hours, 70 %
GOOD = Survey(
    model="m", lines=2000, served=1000, newest=NOON - timedelta(minutes=5), failed=3, labels=900,
    lag_median_hours=3.0, lag_p99_hours=8.0, mature=900, mature_labelled=880,
    ages=(
        AgeShare(days_old=0, rows=100, labelled=20), AgeShare(days_old=1, rows=900, labelled=880)
    ),
)  # fmt: skip
LIVE = Release(release_id="r1", plan=TrafficPlan(model="m", champion=None, weight_bp=500))
BOTH = (
    ArmSeen(arm="candidate", scored=900, served=50),
    ArmSeen(arm="champion", scored=900, served=850),
)


def told(live: Release | None = None, **changes: Any) -> dict[str, Check]:
    survey = GOOD.model_copy(update=changes)
    return {check.part: check for check in checks(survey, POLICY, live, NOON)}


def test_what_is_well_asks_for_nothing() -> None:
    found = told(LIVE, arms=BOTH)
    assert all(check.well and not check.advice for check in found.values())
    assert len(found) == 8
    assert found["predictions"].told == "1,000 rows answered, the newest 5 min ago"
    assert "97.8% of 900 mature rows" in found["labels"].told
    assert found["labels"].told.endswith("0 d 20%, 1 d 98%")


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("predictions", {"newest": None}, "none"),
    ("predictions", {"newest": NOON - timedelta(hours=30)}, "30.0 h ago"),
    ("log of predictions", {"lost": 20}, "20 of 2,020 lines are known to be lost"),
    ("repeated predictions", {"repeated": 21}, "21 of 2,000"),
    ("scores", {"bad_scores": 1}, "1 are no probability"),
    ("clocks", {"from_the_future": 1}, "1 rows and labels are later"),
    ("labels", {"mature": 0, "mature_labelled": 0}, "no row is older"),
    ("labels", {"mature_labelled": 500}, "55.6% of 900"),
    ("label lag", {"lag_p99_hours": 12.5}, "99 % within 12.5 h; the policy waits 12 h"),
    ("label lag", {"lag_median_hours": None, "lag_p99_hours": None}, "no row has a label"),
    ("odd labels", {"unknown_labels": 10}, "10 unknown"),
    ("odd labels", {"repeated_labels": 10}, "10 repeated"),
    ("odd labels", {"early_labels": 10}, "10 early"),
    ("odd labels", {"late_labels": 10}, "10 late"),
]


@pytest.mark.parametrize(("part", "changes", "seen"), CASES, ids=[f"{c[0]} {c[2]}" for c in CASES])
def test_what_is_wrong_is_said_alone(part: str, changes: dict[str, Any], seen: str) -> None:
    """One thing wrong: one line not well, with what was seen and what to do."""
    found = told(**changes)
    assert [name for name, check in found.items() if not check.well] == [part]
    assert seen in found[part].told
    assert found[part].advice


@pytest.mark.parametrize(
    "arms", [(), BOTH[:1], BOTH[1:], (BOTH[0].model_copy(update={"served": 0}), BOTH[1])]
)
def test_a_live_release_must_be_seen_in_both_arms(arms: tuple[ArmSeen, ...]) -> None:
    """Neither a silent arm nor a candidate that answers nobody at five per cent is well."""
    assert not told(LIVE, arms=arms)["arms of r1"].well


def test_a_metric_that_nobody_asks_for_is_only_told() -> None:
    found = told(metrics=(MetricSeen(metric="revenue", values=7, unknown=7),))
    assert found["metric revenue"].well
    assert "no guardrail asks for it" in found["metric revenue"].told
