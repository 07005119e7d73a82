"""What a plan assumes: said by the caller or by the policy, and refused when neither does."""

from __future__ import annotations

import math

import pytest

from policies.errors import PolicyError
from policies.loader import find
from tasks.planning.assumed import assume, planned_days
from tests.unit.planning.planned_policy import ERRORS, QUALITY, planned_policy

BUSINESS = QUALITY.model_copy(update={"name": "revenue", "kind": "mean", "metric": "business"})


@pytest.mark.parametrize(
    ("per_hour", "rates", "spread", "said"),
    [
        (0.0, {"": 0.01}, None, "traffic is 0 requests an hour"),
        (math.nan, {"": 0.01}, None, "traffic is nan requests an hour"),
        (1e9, {"": 0.01}, None, "to 1e8"),
        (100.0, {"": 0.0}, None, "base rate is 0"),
        (100.0, {"errors": 1.5}, None, "base rate of errors is 1.5"),
        (100.0, {"errors": math.nan}, None, "base rate of errors is nan"),
        (100.0, {"speed": 0.1, "errors": 0.1}, None, "speed: no guardrail of shares"),
        (100.0, {"errors": 0.99}, None, "leave nothing that could fail"),
        (100.0, {}, None, "errors: its base rate is not known"),
        (100.0, {"errors": 0.1}, 0.0, "the spread between days is 0"),
        (100.0, {"errors": 0.1}, math.inf, "the spread between days is inf"),
    ],
)
def test_what_cannot_be_planned_is_named(
    per_hour: float, rates: dict[str, float], spread: float | None, said: str
) -> None:
    """Every fault with its number, and an advice; never a default in its place."""
    with pytest.raises(PolicyError) as refused:
        assume(planned_policy(), per_hour, rates, spread)
    assert any(said in fault for fault in refused.value.faults), refused.value.faults
    assert refused.value.advice


def test_a_kind_that_is_not_simulated_is_refused() -> None:
    """A business metric is not planned as if it were something else."""
    with pytest.raises(PolicyError, match="kind mean is not simulated"):
        assume(planned_policy(QUALITY, BUSINESS), 100.0, {}, None)


def test_a_quantile_says_its_own_base_rate() -> None:
    """Of the champion's answers one in a hundred is above its 99th percentile."""
    latency = ERRORS.model_copy(
        update={"name": "latency", "kind": "quantile", "metric": "latency", "quantile": 0.99}
    )
    assumed = assume(planned_policy(QUALITY, latency), 100.0, {}, None)
    assert assumed.base_rates == {"latency": pytest.approx(0.01)}


def test_a_policy_that_sees_nothing_in_the_shadow_is_refused() -> None:
    """Lateness alone shows to users only: a plan would have nothing to go by."""
    slow = ERRORS.model_copy(update={"name": "slow answers", "metric": "slow", "slow_ms": 9.0})
    with pytest.raises(PolicyError, match="no guardrail is asked about in the shadow"):
        assume(planned_policy(slow), 100.0, {"": 0.01}, None)


def test_a_base_rate_is_given_or_half_of_what_is_allowed_between_releases() -> None:
    """One for all, one by name, or from at_most; which of them is kept."""
    rail = ERRORS.model_copy(update={"at_most": 0.05})
    assumed = assume(planned_policy(QUALITY, rail), 100.0, {}, None)
    assert assumed.base_rates == {"errors": 0.025}
    assert assumed.rates_given == frozenset()
    for rates in ({"": 0.01}, {"errors": 0.01}, {"": 0.2, "errors": 0.01}):
        assumed = assume(planned_policy(QUALITY, rail), 100.0, rates, None)
        assert (assumed.base_rates, assumed.rates_given) == ({"errors": 0.01}, {"errors"})


def test_days_differ_by_what_the_planned_information_says() -> None:
    """Its mean over the planned days then has the variance 1 / information."""
    policy = find("flight-delay").policy
    assumed = assume(policy, 38.0, {"": 0.01}, None)
    quality = policy.guardrails[0]
    days = planned_days(policy)
    assert assumed.spreads["quality"] ** 2 / days == pytest.approx(1 / quality.information)
    assert assume(policy, 3800.0, {"": 0.01}, None).spreads == assumed.spreads
    assert assume(policy, 38.0, {"": 0.01}, 0.03).spreads == {"quality": 0.03}
