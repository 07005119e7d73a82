"""The earliest dates of a release follow from its policy alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from policies import loader
from policies.schedule import schedule
from policies.vocabulary import Stage

START = datetime(2030, 1, 1, tzinfo=UTC)
SHIPPED = loader.load_all(loader.files())


@pytest.mark.parametrize("loaded", SHIPPED, ids=lambda loaded: loaded.policy.policy)
def test_every_shipped_policy_can_be_passed(loaded: loader.LoadedPolicy) -> None:
    """No stage ends before its proof can be there, and each begins where the last one passed."""
    steps = schedule(loaded.policy, START)
    assert [each.step for each in steps] == list(loaded.policy.steps())
    assert [each.step.name for each in steps if not each.can_pass] == []
    assert steps[0].opens == START
    assert all(before.passes == after.opens for before, after in pairwise(steps))
    assert all(each.passes - each.opens >= timedelta(days=each.min_days) for each in steps)


def test_what_takes_longest_is_what_is_told() -> None:
    """Days of live answers where the bake time is short; rows where traffic is thin."""
    low = loader.find("low").policy
    canary = next(s for s in schedule(low, START) if s.step.stage is Stage.CANARY)
    assert (canary.passes - canary.opens, canary.because) == (
        timedelta(days=6), "7 days of live answers",
    )  # fmt: skip
    thin = next(s for s in schedule(low, START, 20.0) if s.step.stage is Stage.CANARY)
    assert thin.passes - thin.opens == timedelta(days=100)  # 100 rows of 5 % of 20 a day
    assert "20 requests a day" in thin.because
    assert not thin.can_pass


def test_the_groups_that_a_step_waits_for_are_told() -> None:
    """Whoever reads the plan sees who must not lose, and by which margin."""
    canary = schedule(loader.find("flight-delay").policy, START)[2]
    assert "quality: each origin (EWR, JFK, LGA) not worse by 0.08 or more" in canary.checks
    shadow = schedule(loader.find("doctor-visits").policy, START)[1]
    behind = [check for check in shadow.checks if "left behind" in check]
    assert behind == ["quality: physical_limitation yes not left behind all others by 0.1 or more"]


def test_every_step_says_what_it_must_show() -> None:
    """What only users show is asked where somebody is served; failures from the shadow on."""
    policy = loader.find("flight-delay").policy
    told = {each.step.name: " ".join(each.checks) for each in schedule(policy, START)}
    assert "log loss by origin" in told["staging"]
    assert "slow answers" not in told["shadow"]
    assert "errors: error not worse by 0.03 or more" in told["shadow"]
    assert "errors: error not worse by 0.025 or more" in told["canary 5 %"]
