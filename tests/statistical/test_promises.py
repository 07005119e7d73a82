"""The promises of docs/statistics.md, on few runs at every check and on many when asked."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.statistical import simulated
from tests.statistical.promises import Promise, promises
from tests.statistical.setting import SETTING

FEW, MANY = 60, 1000
EVERY = list(promises())


@pytest.mark.parametrize("promise", EVERY, ids=lambda promise: promise.name)
def test_a_promise_is_kept(promise: Promise) -> None:
    """Seeded, so it is the same every time; within three standard errors of what is required."""
    assert promise.kept(promise.measure(FEW, SETTING.seed), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("promise", EVERY, ids=lambda promise: promise.name)
def test_a_promise_is_kept_over_many_runs(promise: Promise) -> None:
    assert promise.kept(promise.measure(MANY, SETTING.seed), MANY)


def test_a_promise_can_be_broken() -> None:
    """What is measured decides: a rule that rolls back one run in five keeps no promise."""
    most = next(promise for promise in EVERY if not promise.at_least and promise.is_share)
    least = next(promise for promise in EVERY if promise.at_least)
    assert not most.kept(0.2, MANY)
    assert not least.kept(0.8, MANY)
    exposed = next(promise for promise in EVERY if not promise.is_share)
    assert not exposed.kept(exposed.required + 1, MANY) and not exposed.kept(math.inf, MANY)


def test_steps_that_are_pooled_would_break_it() -> None:
    """The law that the engine keeps: a better candidate whose steps were added up looks worse."""
    plan = SETTING.fine
    better = simulated.releases((0.8,) * 5, 10, SETTING.seed, plan)
    pooled = replace(plan, shares=(0.01, 0.5), windows_a_step=plan.windows // 2)
    assert not better.rolled_back.any()
    assert simulated.pooled_difference(0.8, pooled) > 0 > simulated.split_difference(0.8, pooled)
