"""A change that would help changes one thing, and what it makes is still a policy."""

from __future__ import annotations

from dataclasses import replace

from policies.loader import find
from policies.schema import ReleasePolicy
from tasks.planning.assumed import Given, assume
from tasks.planning.fates import Fate
from tasks.planning.mending import changes, margin_told, waited_for, with_deadlines, with_margins
from tasks.planning.plan import PolicyPlan, held_at
from tasks.planning.voyage import sail
from tests.unit.planning.planned_policy import ERRORS, GAP_OF_TWO, planned_policy

FLIGHTS = find("flight-delay").policy


def differing(left: ReleasePolicy, right: ReleasePolicy) -> set[str]:
    one, two = (each.model_dump() for each in (left, right))
    return {field for field in one if one[field] != two[field]}


def test_later_deadlines_change_only_the_steps_that_were_named() -> None:
    """Ramp steps by their weight, the others by their stage."""
    later = with_deadlines(FLIGHTS, ("shadow", "ramp 25 %"), 1.5)
    assert differing(FLIGHTS, later) == {"shadow", "ramp"}
    assert later.shadow.deadline_days == 63
    assert [step.deadline_days for step in later.ramp] == [32, 21]
    assert ReleasePolicy.model_validate(later.model_dump()) == later


def test_wider_margins_take_the_groups_along() -> None:
    """Two digits, as a person writes them; rollback_at stays."""
    wider = with_margins(FLIGHTS, ("quality",), 1.25)
    assert differing(FLIGHTS, wider) == {"guardrails"}
    quality, old = wider.guardrails[0], FLIGHTS.guardrails[0]
    assert (quality.margin, quality.rollback_at) == (0.025, old.rollback_at)
    assert quality.segments and quality.segments.margin == 0.1
    assert wider.guardrails[1:] == FLIGHTS.guardrails[1:]


def test_wider_margins_take_the_gaps_along() -> None:
    """A guardrail that waits for the gap of a group is not mended by its own margin."""
    policy = planned_policy(GAP_OF_TWO, ERRORS)
    wider = with_margins(policy, ("quality",), 1.5).guardrails[0]
    assert wider.gap and (wider.margin, wider.gap.margin) == (0.03, 0.075)
    assumed = assume(policy, Given(400.0, {"": 0.02}))
    none = Fate("", 0.0, 0.0, 1, 0.0, 0.0, 1.0, 0, 0, 0)
    held = (("soak", "quality · gap of each group", 1.0),)
    plan = PolicyPlan("low", assumed, 1, 1, (), (), none, none, (), None, None, 0.0, held)
    assert waited_for(plan) == {"quality"}
    told = margin_told(policy.guardrails[0], 1.5)
    assert told == "quality with a margin of 0.03 instead of 0.02 (its gaps 0.075 instead of 0.05)"


def test_a_plan_that_waits_for_rows_needs_traffic_or_days() -> None:
    """The smallest of each kind is told with its numbers; a margin would not help."""
    policy = planned_policy()
    policy = policy.model_copy(
        update={"canary": policy.canary.model_copy(update={"min_rows": 12_000})}
    )
    assumed = assume(policy, Given(400.0, {"": 0.02}, {"": 0.005}))
    lost = sail(policy, assumed, {}, 1, 0, {})
    none = Fate("", 0.0, 0.0, 1, 0.0, 0.0, 1.0, 0, 0, 0)
    held = held_at([lost])
    assert held == (("canary 5 %", "rows", 1.0),)
    plan = PolicyPlan("low", assumed, 1, 1, (), (), none, none, (), None, None, 0.0, held)
    assert not plan.works
    found = {each.kind: each for each in changes(policy, assumed, plan, 1, lambda: None, 1)}
    assert set(found) == {"traffic", "days"}
    assert 1.0 < found["traffic"].factor <= 1.5  # 10,080 answers until the deadline
    assert "/h instead of 400/h" in found["traffic"].told
    assert "canary 5 % may take" in found["days"].told
    assert "instead of 21" in found["days"].told


def test_a_change_that_rounds_to_none_is_not_told() -> None:
    """0.1 instead of 0.1 would be no advice, however lucky its releases are."""
    policy = planned_policy()
    assert with_margins(policy, ("quality",), 1.02) == policy
    assumed = assume(policy, Given(400.0, {"": 0.02}, {"": 0.005}))
    lucky = Fate("", 0.0, 0.0, 1, 0.0, 0.0, 1.0, 0, 0, 0)
    held = (("soak", "quality", 1.0),)
    plan = PolicyPlan("low", assumed, 1, 1, (), (), lucky, lucky, (), None, None, 0.0, held)
    told = {each.told for each in changes(policy, assumed, plan, 1, lambda: None, 1)}
    assert told and not any("0.02 instead of 0.02" in each for each in told)


def test_what_kept_hardly_anybody_is_not_changed() -> None:
    """One release in fifty waited for errors: a wider margin there is no smallest change."""
    policy = planned_policy()
    assumed = assume(policy, Given(400.0, {"": 0.02}))
    none = Fate("", 0.0, 0.0, 1, 0.0, 0.0, 1.0, 0, 0, 0)
    held = (("soak", "quality", 0.5), ("soak", "quality of each group", 0.1),
            ("full", "errors", 0.02))  # fmt: skip
    plan = PolicyPlan("low", assumed, 1, 1, (), (), none, none, (), None, None, 0.0, held)
    assert waited_for(plan) == {"quality"}
    rare = replace(plan, held_at=(("full", "errors", 0.02),))
    assert waited_for(rare) == {"errors"}
