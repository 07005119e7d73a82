"""What a plan assumes: said by the caller or by the policy, and refused when neither does."""

from __future__ import annotations

import math

import pytest

from policies.errors import PolicyError
from policies.loader import find
from policies.schema import Goal
from tasks.planning.assumed import (
    Given,
    assume,
    compared_days,
    planned_days,
    simulated,
    wanted_of,
    wider,
)
from tests.unit.planning.planned_policy import (
    COST,
    ERRORS,
    GAP_OF_TWO,
    QUALITY,
    SILENCE,
    planned_policy,
)

BUSINESS = QUALITY.model_copy(
    update={"name": "revenue", "kind": "mean", "metric": "business", "direction": "up"}
)
BY_USER = BUSINESS.model_copy(update={"unit": "user"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Given(0.0, {"": 0.01}), "traffic is 0 requests an hour"),
        (Given(math.nan, {"": 0.01}), "traffic is nan requests an hour"),
        (Given(1e9, {"": 0.01}), "to 1e8"),
        (Given(100.0, {"": 0.01}, users_per_hour=0.0), "traffic is 0 users an hour"),
        (Given(100.0, {"": 0.0}), "base rate is 0"),
        (Given(100.0, {"errors": 1.5}), "base rate of errors is 1.5"),
        (Given(100.0, {"errors": math.nan}), "base rate of errors is nan"),
        (Given(100.0, {"speed": 0.1, "errors": 0.1}), "speed: no guardrail of shares"),
        (Given(100.0, {"errors": 0.99}), "leave nothing that could fail"),
        (Given(100.0, {}), "errors: its base rate is not known"),
        (Given(100.0, {"errors": 0.1}, {"": 0.0}), "the spread between days is 0"),
        (Given(100.0, {"errors": 0.1}, {"quality": math.inf}), "between days of quality is inf"),
        (Given(100.0, {"errors": 0.1}, {"errors": 0.1}), "errors: no guardrail by days"),
        (Given(100.0, {"errors": 0.1}, {}, {"quality": 1.0}), "quality: no guardrail by users"),
        (Given(100.0, {"errors": 0.1}, gain=-0.1), "the gain is -0.1"),
        (Given(100.0, {"errors": 0.1}, gain=math.nan), "the gain is nan"),
    ],
)
def test_what_cannot_be_planned_is_named(given: Given, said: str) -> None:
    """Every fault with its number, and an advice; never a default in its place."""
    with pytest.raises(PolicyError) as refused:
        assume(planned_policy(), given)
    assert any(said in fault for fault in refused.value.faults), refused.value.faults
    assert refused.value.advice


def test_what_only_you_can_know_is_left_out_until_you_say_it() -> None:
    """How users differ is no default: such a guardrail is named as taken to be safe, and its
    weight finds nothing."""
    policy = planned_policy(QUALITY, ERRORS, BY_USER)
    assumed = assume(policy, Given(100.0, {"": 0.01}))
    assert assumed.left_out == ("revenue",)
    rails = simulated(policy, assumed).guardrails
    assert [rail.name for rail in rails] == ["quality", "errors"]
    assert sum(rail.weight for rail in rails) == pytest.approx(2 / 3)
    told = assume(policy, Given(100.0, {"": 0.01}, user_spreads={"revenue": 12.0}))
    assert (told.left_out, told.user_spreads) == ((), {"revenue": 12.0})
    assert simulated(policy, told).guardrails == policy.guardrails


def test_a_ratio_asks_how_users_differ_and_silence_how_many_say_nothing() -> None:
    """The share of those who post nothing is no share of faults: a rate for all is not theirs."""
    policy = planned_policy(QUALITY, ERRORS, COST, SILENCE)
    assumed = assume(policy, Given(100.0, {"": 0.01}))
    assert assumed.left_out == ("cost", "silence")
    assert wanted_of(COST) == 'say how users differ: --user-spread "cost=…"'
    assert wanted_of(SILENCE) == 'say how many users have no value: --base-rate "silence=…"'
    told = assume(policy, Given(100.0, {"": 0.01, "silence": 0.6}, user_spreads={"cost": 0.8}))
    assert (told.left_out, told.user_spreads) == ((), {"cost": 0.8})
    assert told.base_rates == {"errors": 0.01, "silence": 0.6}


def test_what_should_become_better_is_simulated_or_the_plan_is_refused() -> None:
    """A gain in what is left out would promise candidates that nobody has drawn."""
    goal = Goal(guardrail="cost", required=True, why="test")
    policy = planned_policy(QUALITY, ERRORS, COST, goal=goal)
    with pytest.raises(PolicyError, match="is not simulated; say how users differ"):
        assume(policy, Given(100.0, {"": 0.01}, gain=0.1))
    told = assume(policy, Given(100.0, {"": 0.01}, user_spreads={"cost": 0.8}, gain=0.1))
    assert told.sound == {"cost": pytest.approx(-0.5)}


def test_days_of_a_gap_differ_by_its_information_or_as_it_is_said_of_it() -> None:
    """By its own name alone: what days of the whole differ by says nothing of a gap."""
    policy = planned_policy(GAP_OF_TWO, ERRORS)
    days = planned_days(policy)
    for spreads in ({}, {"": 0.03}, {"quality": 0.03}):
        assumed = assume(policy, Given(100.0, {"": 0.01}, spreads))
        assert assumed.spreads["quality gap"] ** 2 / days == pytest.approx(1 / 4000)
        assert "quality gap" not in assumed.spreads_given
    told = assume(policy, Given(100.0, {"": 0.01}, {"quality gap": 0.2}))
    assert told.spreads["quality gap"] == 0.2
    assert told.spreads_given == {"quality gap"}
    of_gap = told.of_gap(policy.guardrails[0])
    assert set(of_gap.spreads.values()) == {0.2}
    assert of_gap.per_hour == pytest.approx(100.0 / 3)  # of two groups, and of the others


def test_days_of_users_are_those_in_which_they_are_split() -> None:
    """Information of a metric by days comes from the canary to full, and not from the shadow."""
    policy = planned_policy(QUALITY, ERRORS, BUSINESS)
    assumed = assume(policy, Given(100.0, {"": 0.01}))
    compared = compared_days(policy)
    assert 0.0 < compared < planned_days(policy)
    assert assumed.spreads["revenue"] ** 2 / compared == pytest.approx(1 / BUSINESS.information)


def test_a_goal_is_asked_for_where_the_candidate_is_said_to_be_better() -> None:
    """In margins of the goal's guardrail; without a gain the goal is left out."""
    policy = find("flight-delay").policy
    as_good, better = (assume(policy, Given(38.0, {"": 0.01}, gain=g)) for g in (0.0, 0.03))
    assert (as_good.sound, better.sound) == ({}, {"quality": pytest.approx(-1.5)})
    assert simulated(policy, as_good).goal is None
    assert simulated(policy, better).goal == policy.goal
    only_errors = planned_policy(ERRORS)
    with pytest.raises(PolicyError, match="there is no gain"):
        assume(only_errors, Given(100.0, {"": 0.01}, gain=0.1))


def test_groups_share_a_part_of_their_days() -> None:
    """A mean of groups that share half of their variance has the variance that was declared."""
    assert wider(1) == 1.0
    for count in (2, 3, 10):
        of_group = wider(count) ** 2
        assert of_group * (0.5 + 0.5 / count) == pytest.approx(1.0)


def test_a_quantile_says_its_own_base_rate() -> None:
    """Of the champion's answers one in a hundred is above its 99th percentile."""
    latency = ERRORS.model_copy(
        update={"name": "latency", "kind": "quantile", "metric": "latency", "quantile": 0.99}
    )
    assumed = assume(planned_policy(QUALITY, latency), Given(100.0))
    assert assumed.base_rates == {"latency": pytest.approx(0.01)}


def test_a_policy_that_sees_nothing_in_the_shadow_is_refused() -> None:
    """Lateness alone shows to users only: a plan would have nothing to go by."""
    slow = ERRORS.model_copy(update={"name": "slow answers", "metric": "slow", "slow_ms": 9.0})
    with pytest.raises(PolicyError, match="no guardrail is asked about in the shadow"):
        assume(planned_policy(slow), Given(100.0, {"": 0.01}))


def test_a_base_rate_is_given_or_half_of_what_is_allowed_between_releases() -> None:
    """One for all, one by name, or from at_most; which of them is kept."""
    rail = ERRORS.model_copy(update={"at_most": 0.05})
    assumed = assume(planned_policy(QUALITY, rail), Given(100.0))
    assert assumed.base_rates == {"errors": 0.025}
    assert assumed.rates_given == frozenset()
    for rates in ({"": 0.01}, {"errors": 0.01}, {"": 0.2, "errors": 0.01}):
        assumed = assume(planned_policy(QUALITY, rail), Given(100.0, rates))
        assert (assumed.base_rates, assumed.rates_given) == ({"errors": 0.01}, {"errors"})


def test_days_differ_by_what_the_planned_information_says() -> None:
    """Its mean over the planned days then has the variance 1 / information."""
    policy = find("flight-delay").policy
    assumed = assume(policy, Given(38.0, {"": 0.01}))
    quality = policy.guardrails[0]
    days = planned_days(policy)
    assert assumed.spreads["quality"] ** 2 / days == pytest.approx(1 / quality.information)
    assert assume(policy, Given(3800.0, {"": 0.01})).spreads == assumed.spreads
    assert assume(policy, Given(38.0, {"": 0.01}, {"": 0.03})).spreads == {"quality": 0.03}
