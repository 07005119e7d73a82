"""How bad an incident is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.schema import IncidentRules
from policies.severity import Tier, severity
from policies.vocabulary import Finding

RULES = IncidentRules(sev1_from_bp=2500, sev2_from_bp=1000, on_call="team", runbook="docs/run.md")


@pytest.mark.parametrize(
    ("case", "weight_bp", "finding", "tier", "contained", "level"),
    [
        ("nobody knows the share", None, Finding.HARMFUL, "low", True, "SEV1"),
        ("not shown to be contained", 0, None, "low", False, "SEV1"),
        ("full traffic", 10_000, Finding.HARMFUL, "low", True, "SEV1"),
        ("at the first bound", 2500, Finding.HARMFUL, "low", True, "SEV1"),
        ("below the first bound", 2499, Finding.HARMFUL, "low", True, "SEV2"),
        ("at the second bound", 1000, Finding.HARMFUL, "low", True, "SEV2"),
        ("below the second bound", 999, Finding.HARMFUL, "medium", True, "SEV3"),
        ("a canary of a high tier", 500, Finding.HARMFUL, "high", True, "SEV2"),
        ("a regulated one", 1, Finding.HARMFUL, "regulated", True, "SEV2"),
        ("a high tier, no harm shown", 500, Finding.SOURCE_DOWN, "high", True, "SEV3"),
        ("stopped by a person", 500, None, "high", True, "SEV3"),
        ("a shadow answers nobody", 0, Finding.HARMFUL, "regulated", True, "SEV4"),
    ],
)
def test_severity(
    case: str,
    weight_bp: int | None,
    finding: Finding | None,
    tier: Tier,
    contained: bool,
    level: str,
) -> None:
    """The worst rule that matches wins, and what is unknown is the worst."""
    found = severity(RULES, weight_bp=weight_bp, finding=finding, tier=tier, contained=contained)
    assert found.level == level, case
    assert found.reason.endswith(".")


@pytest.mark.parametrize("weight_bp", [-1, 10_001])
def test_an_impossible_share_is_an_error(weight_bp: int) -> None:
    """A share that does not exist is a broken record, not a mild incident."""
    with pytest.raises(EvidenceError):
        severity(RULES, weight_bp=weight_bp, finding=None)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(list(Finding)))
def test_more_traffic_is_never_milder(one: int, other: int, finding: Finding) -> None:
    """Severity only grows with the share of traffic."""
    small, large = sorted((one, other))
    at_small = severity(RULES, weight_bp=small, finding=finding, tier="high")
    at_large = severity(RULES, weight_bp=large, finding=finding, tier="high")
    assert at_large.level <= at_small.level
