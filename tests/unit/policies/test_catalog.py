"""The four tiers are complete, ordered by risk, and say why beside every number."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import pytest

from policies import loader
from policies.schema import ReleasePolicy
from policies.vocabulary import Stage

TIERS = ("low", "medium", "high", "regulated")
NUMBER = re.compile(r"^\s*(- )?\w+: (\{.*)?\d")


@cache
def tiers() -> tuple[ReleasePolicy, ...]:
    return tuple(loader.load(loader.CATALOG / f"{tier}.yaml").policy for tier in TIERS)


def test_every_policy_of_the_catalogue_is_sound() -> None:
    """What is shipped can be released under."""
    loaded = loader.load_all(loader.files())
    assert {policy.policy.policy for policy in loaded} >= set(TIERS)
    assert len({policy.digest for policy in loaded}) == len(loaded)


@pytest.mark.parametrize("tier", [*TIERS, "flight-delay", "doctor-visits"])
def test_every_number_has_its_reason_beside_it(tier: str) -> None:
    """A number without a reason is a habit."""
    lines = (loader.CATALOG / f"{tier}.yaml").read_text().splitlines()
    bare = [line for line in lines if NUMBER.match(line) and "#" not in line]
    assert bare == []


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_applies_to_no_model_by_itself(tier: str) -> None:
    """A model is put into a tier by a person, on purpose."""
    policy = loader.find(tier).policy
    assert policy.tier == policy.policy == tier
    assert policy.applies_to == ()


def test_more_risk_is_never_less_care() -> None:
    """Evidence, exposure, time and margins all tighten from tier to tier."""
    for lower, higher in pairwise(tiers()):
        assert higher.canary.weight_bp <= lower.canary.weight_bp
        assert len(higher.ramp) >= len(lower.ramp)
        assert higher.budget.promote_beta <= lower.budget.promote_beta
        assert higher.budget.min_clusters > lower.budget.min_clusters
        assert higher.shadow.min_days > lower.shadow.min_days
        assert higher.canary.min_days > lower.canary.min_days
        assert higher.soak.min_days > lower.soak.min_days
        assert higher.staging.sample_rows > lower.staging.sample_rows
        assert higher.staging.scores.log_loss_margin < lower.staging.scores.log_loss_margin
        assert higher.incident.sev1_from_bp < lower.incident.sev1_from_bp
        for rail, weaker in zip(higher.guardrails, lower.guardrails, strict=True):
            assert rail.metric == weaker.metric
            assert rail.margin <= weaker.margin
            assert rail.rollback_at <= weaker.rollback_at


def test_the_ramp_takes_hours_days_and_weeks() -> None:
    """Speed follows risk: from canary to full in hours, days, and weeks."""
    ramp_days = [sum(step.min_days for step in (p.canary, *p.ramp)) for p in tiers()]
    low, medium, high, regulated = ramp_days
    assert low < 1 < medium < 7 < high < 28 < regulated


def test_each_tier_asks_for_the_signatures_of_the_tier_below_and_more() -> None:
    """The approver matrix: nobody who signs a small risk is left out of a great one."""
    roles = []
    for policy in tiers():
        rule = policy.approval_for(Stage.CANARY)
        assert rule is not None, "people sign before the first user is at risk"
        roles.append(set(rule.roles))
    assert roles[0] == {"peer"}
    assert roles[1] - roles[0] == {"manager"}
    assert roles[2] - roles[1] == {"security", "legal", "senior_engineer"}
    assert roles[3] - roles[2] == {"external_auditor", "board"}
    board = tiers()[3].approval_for(Stage.CANARY)
    assert board is not None and board.roles["board"] >= 2


def test_the_margins_themselves_are_proven_before_a_release_is_over() -> None:
    """Looser margins are for early stages only."""
    for policy in tiers():
        assert policy.soak.margin_factor == 1
        factors = [policy.shadow, policy.canary, *policy.ramp, policy.full, policy.soak]
        assert [f.margin_factor for f in factors] == sorted(
            (f.margin_factor for f in factors), reverse=True
        )


def test_every_policy_has_a_breaker_and_a_chain() -> None:
    """Between two looks something takes a broken candidate out, and somebody answers."""
    for path in loader.files():
        policy = loader.find(path.stem).policy
        assert policy.breaker is not None, path.name
        assert policy.fallback[-1] in ("degraded", "error"), path.name
