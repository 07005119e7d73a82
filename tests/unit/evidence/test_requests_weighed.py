"""Guardrails whose unit is the request: hours as windows, relative or absolute bounds."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, Evidence, WindowPair
from tasks.evidence.sequential import weigh

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=20)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ENOUGH = 2.9957  # log 20


def rail(**more: object) -> Guardrail:
    fields = {
        "name": "errors", "kind": "proportion", "metric": "error", "margin": 0.3,
        "rollback_at": 0.1, "weight": 1.0, "information": 3000, "unit": "request",
        "relative": True, "why": "test",
    }  # fmt: skip
    return Guardrail.model_validate(fields | more)


ABSOLUTE = {"relative": False, "margin": 0.006, "rollback_at": 0.002, "information": 5_000_000}


def hours(
    count: int, champion: int, candidate: int, *, step: str = "canary 5 %"
) -> list[WindowPair]:
    """Champion's and candidate's faults of each hour; 9 500 and 500 answers."""
    return [
        WindowPair(
            start=NOON + timedelta(hours=n),
            step=step,
            champion=Counts(n=9_500, events=champion),
            candidate=Counts(n=500, events=candidate),
        )
        for n in range(count)
    ]


def weighed(windows: list[WindowPair], **more: object) -> Evidence:
    return weigh(rail(**more), windows, BUDGET)


@pytest.mark.parametrize("bounds", [{}, ABSOLUTE], ids=["relative", "absolute"])
def test_equal_rates_are_shown_to_be_safe(bounds: dict[str, object]) -> None:
    """One percent in both arms for days on end, hour by hour."""
    found = weighed(hours(120, 95, 5), **bounds)
    assert found.status == "ok" and found.log_e_safe is not None
    assert found.log_e_safe > ENOUGH > 0 > (found.log_e_harm or 0.0)
    assert found.effect == pytest.approx(0.0, abs=1e-9)
    assert found.lower is not None and found.upper is not None
    assert found.lower < 0.0 < found.upper <= (found.margin or 0.0)
    assert (found.n, found.clusters, found.unit) == (60_000, 120, "hours")


@pytest.mark.parametrize("bounds", [{}, ABSOLUTE], ids=["relative", "absolute"])
def test_three_times_the_faults_are_harm_within_hours(bounds: dict[str, object]) -> None:
    found = weighed(hours(4, 95, 15), **bounds)
    assert found.log_e_harm is not None and found.log_e_harm > ENOUGH
    assert found.method.startswith("independent requests: exact counts")
    expected = 2.0 if not bounds else 0.02
    assert found.effect == pytest.approx(expected, rel=1e-6)
    assert found.lower is not None and found.lower > rail(**bounds).rollback_at


@pytest.mark.parametrize("bounds", [{}, ABSOLUTE], ids=["relative", "absolute"])
def test_the_order_in_which_windows_come_does_not_matter(bounds: dict[str, object]) -> None:
    windows = hours(30, 95, 6) + [
        w.model_copy(update={"start": w.start + timedelta(hours=30)})
        for w in hours(30, 60, 3, step="ramp 25 %")
    ]
    again = random.Random(5).sample(windows, len(windows))
    told, mixed = weighed(windows, **bounds), weighed(again, **bounds)
    assert mixed.log_e_harm == pytest.approx(told.log_e_harm, rel=1e-12)
    assert mixed.log_e_safe == pytest.approx(told.log_e_safe, rel=1e-12)


@pytest.mark.parametrize("bounds", [{}, ABSOLUTE], ids=["relative", "absolute"])
def test_more_faults_are_more_evidence_of_harm(bounds: dict[str, object]) -> None:
    told = [
        weighed(hours(24, 95, faults), **bounds).log_e_harm or 0.0 for faults in range(4, 40, 4)
    ]
    assert told == sorted(told)


def test_one_arm_alone_is_scarce() -> None:
    """Nobody has met the candidate yet: no evidence, and never good evidence."""
    empty = [w.model_copy(update={"candidate": Counts(n=0, events=0)}) for w in hours(5, 95, 0)]
    for windows in ([], empty):
        found = weighed(windows)
        assert (found.status, found.log_e_harm, found.log_e_safe) == ("scarce", 0.0, 0.0)


def test_no_fault_anywhere_is_shown_only_against_an_absolute_bound() -> None:
    """Nought of many answers is less than a fixed share, but a share of nothing is nothing."""
    assert (weighed(hours(100, 0, 0), **ABSOLUTE).log_e_safe or 0.0) > ENOUGH
    found = weighed(hours(100, 0, 0))
    assert found.log_e_safe == pytest.approx(0.0) and found.log_e_harm == pytest.approx(0.0)


def test_hours_are_no_clusters_where_the_policy_says_days() -> None:
    with pytest.raises(EvidenceError, match="not whole days"):
        weighed(hours(3, 95, 5), unit="day", **ABSOLUTE)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": "paired_mean", "metric": "log_loss", "relative": False}, "unit 'request'"),
        ({"unit": "day"}, "relative"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        rail(**wrong)
