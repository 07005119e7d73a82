"""A simulated release goes through the policy's steps at the policy's looks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from policies.lifecycle import Release, next_look_after
from policies.loader import find
from policies.schema import ReleasePolicy, StageRules
from tasks.planning.assumed import HOURS, MONDAY, Given, assume
from tasks.planning.fates import Fate, Trial, at_share, fate, slack, trials
from tasks.planning.plan import make_plan, work_ahead
from tasks.planning.voyage import Voyage, next_look, sail
from tests.unit.planning.planned_policy import ERRORS, GAP_OF_TWO, QUALITY, planned_policy

POLICY = planned_policy()
ASSUMED = assume(POLICY, Given(400.0, {"": 0.02}, {"": 0.01}))


def sailed(policy: ReleasePolicy = POLICY, seed: int = 1, **harms: float) -> Voyage:
    return sail(policy, ASSUMED, harms, seed, 0, {})


@pytest.mark.parametrize("passed", [0.0, 1.0, 2.5, 3.0, 71.0, 200.0])
def test_looks_fall_where_a_release_would_look(passed: float) -> None:
    """Beside the lifecycle's own reckoning, for every step."""
    low = find("low").policy
    for step in low.steps()[1:]:
        rules = low.rules_for(step)
        assert isinstance(rules, StageRules)
        state = Release(step=step, entered_at=MONDAY)
        due = next_look_after(low, state, MONDAY + timedelta(hours=passed))
        assert next_look(rules, 10.0, 10.0 + passed) == pytest.approx(
            10.0 + (due - MONDAY) / timedelta(hours=1)
        )


def test_a_sound_candidate_is_promoted_and_was_never_quicker_than_its_policy() -> None:
    """Every step was passed, in at least its bake time."""
    voyage = sailed()
    assert (voyage.outcome, voyage.step) == ("promoted", "soak")
    for step in POLICY.steps()[1:]:
        assert voyage.left[step.name] >= POLICY.rules_for(step).min_days - 1e-9
    live = {"canary 5 %": 0.05, "full": 1.0, "soak": 1.0}
    met = sum(voyage.left[name] * HOURS * 400 * share for name, share in live.items())
    assert voyage.exposed == pytest.approx(met, abs=1)


def test_a_broken_candidate_is_rolled_back_where_it_first_shows() -> None:
    """Failures in the shadow, before a user; lateness is seen from the canary on."""
    assert (sailed(errors=5.0).outcome, sailed(errors=5.0).exposed) == ("rolled back", 0)
    slow = ERRORS.model_copy(
        update={"name": "slow answers", "metric": "slow", "slow_ms": 100.0, "information": 1e5}
    )
    policy = planned_policy(QUALITY, slow)
    voyage = sail(
        policy, assume(policy, Given(400.0, {"": 0.02}, {"": 0.01})), {slow.name: 5.0}, 1, 0, {}
    )
    assert (voyage.outcome, voyage.step) == ("rolled back", "canary 5 %")
    assert voyage.exposed > 0


def test_what_is_not_shown_is_held_and_says_what_for() -> None:
    """Exactly at the margin: neither promoted nor a pass by time alone."""
    vague = assume(POLICY, Given(400.0, {"": 0.02}, {"": 0.03}))
    voyage = sail(POLICY, vague, {"quality": 1.0}, 1, 0, {})
    assert (voyage.outcome, voyage.waited_for) == ("held", "quality")
    assert voyage.days >= POLICY.shadow.deadline_days


def test_a_gap_that_is_not_shown_is_named_as_what_was_waited_for() -> None:
    """The whole is shown: its own margin would mend nothing. One that is only told keeps nobody."""
    gap = GAP_OF_TWO.gap
    for reported, outcome in ((("y",), "held"), (("x", "y"), "promoted")):
        rail = GAP_OF_TWO.model_copy(
            update={"gap": gap and gap.model_copy(update={"reported": reported})}
        )
        policy = planned_policy(rail, ERRORS)
        wide = assume(policy, Given(400.0, {"": 0.02}, {"": 0.01, "quality gap": 0.3}))
        voyage = sail(policy, wide, {}, 1, 0, {})
        assert voyage.outcome == outcome
        assert voyage.waited_for == ("quality · gap of each group" if outcome == "held" else "")


def test_the_same_seed_is_the_same_release() -> None:
    """And another one is another; what was weighed before changes nothing."""
    cache: dict[object, object] = {}
    first, again = (sail(POLICY, ASSUMED, {}, 1, 0, cache) for _ in range(2))  # type: ignore[arg-type]
    assert first == again == sailed()
    assert sailed(seed=2, quality=0.6) != sailed(seed=1, quality=0.6)


def test_a_step_that_cannot_see_enough_rows_is_never_passed() -> None:
    """The least number of rows counts as in a release, whatever else is shown."""
    strict = POLICY.model_copy(
        update={"canary": POLICY.canary.model_copy(update={"min_rows": 10**7})}
    )
    voyage = sailed(strict)
    assert (voyage.outcome, voyage.step, voyage.waited_for) == ("held", "canary 5 %", "rows")


def test_fates_are_shares_of_what_ended() -> None:
    """They add up, and the exposure is that of the middle and of nineteen in twenty."""
    voyages = [
        Voyage("rolled back", "full", n, n * 100, "", {}) if n < 15
        else Voyage("promoted", "soak", n, n * 100, "", {})
        for n in range(20)
    ]  # fmt: skip
    found: Fate = fate(Trial("quality", 2.0, 0.04, {"quality": 2.0}, 20), voyages)
    assert (found.rolled_back, found.promoted, found.held) == (0.75, 0.25, 0.0)
    assert (found.exposed_median, found.exposed_mean, found.exposed_most) == (900, 950, 1800)
    assert at_share([], 0.5) == 0.0
    assert slack(0.0, 100) == slack(0.01, 100) > 0.0


def test_a_plan_tries_every_guardrail_and_the_border() -> None:
    """No harm, all at rollback_at, each at several margins; ticks count the releases."""
    asked = trials(POLICY, ASSUMED, 3)
    assert [each.harms for each in asked[:2]] == [{}, {"quality": 0.4, "errors": 0.4}]
    assert {each.guardrail for each in asked[2:]} == {"quality", "errors"}
    ticks: list[int] = []
    plan = make_plan(POLICY, ASSUMED, 1, 1, lambda: ticks.append(1))
    assert len(ticks) == work_ahead(POLICY, ASSUMED, 1)
    assert plan.works and plan.sound.promoted == 1.0
    assert plan.worst_days == sum(each.deadline_days for each in plan.steps)
    soak = next(s for s in plan.sights if (s.step, s.guardrail) == ("soak", "quality"))
    assert soak.asks == 0.02 and soak.shows and soak.shows < 0.02
    assert soak.finds and soak.finds > 0.008


def test_a_gain_is_everywhere_but_where_the_harm_is() -> None:
    """Sound candidates are better by it, worse ones in another guardrail too; and a candidate that
    is only as good is tried by itself."""
    assumed = assume(POLICY, Given(400.0, {"": 0.02}, gain=0.01))
    asked = trials(POLICY, assumed, 3, (1.0,))
    assert [each.harms for each in asked] == [
        {"quality": -0.5},
        {"quality": 0.4, "errors": 0.4},
        {"quality": 0.0},
        {"quality": 1.0},
        {"quality": -0.5, "errors": 1.0},
    ]


def test_a_plan_is_the_same_whoever_simulates_its_releases() -> None:
    """Shared out among threads, which end in any order, or one release after the other."""
    policy = planned_policy(QUALITY)
    assumed = assume(policy, Given(400.0, {}, {"": 0.02}))
    alone = make_plan(policy, assumed, 3, 1, lambda: None, (1.0,))
    with ThreadPoolExecutor(3) as pool:
        assert make_plan(policy, assumed, 3, 1, lambda: None, (1.0,), pool.map) == alone
