"""The gap guardrail keeps its error rates on real people, and stops who leaves a group behind."""

from __future__ import annotations

import pytest

from deployments.demo.visits import asking
from tests.statistical.people import PROMISES, Promise, between, moved_apart, releases

pytestmark = pytest.mark.slow
RUNS = 200


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_the_promise_is_kept(promise: Promise) -> None:
    """Within three standard errors of the simulation."""
    measured = promise.share(releases(promise.candidate, RUNS))
    assert promise.kept(measured, RUNS), f"{measured} of {promise.required}"


def test_the_scenario_is_what_it_says() -> None:
    """Better for all who ask, worse for the group; the fair one is better for both."""
    group = asking()["limitation"].to_numpy() == "yes"
    fair, unfair = between("champion", "fair"), between("champion", "unfair")
    assert unfair.mean() < -0.02 and unfair[group].mean() > 0.05
    assert fair[group].mean() < 0 and fair[~group].mean() < 0
    shifted = moved_apart(0.03)
    assert shifted[group].mean() - shifted[~group].mean() == pytest.approx(0.03)
