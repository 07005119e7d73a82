"""The gap guardrail keeps its error rates on real people, and stops who leaves a group behind."""

from __future__ import annotations

import pytest

from deployments.demo.visits import GROUP, asking
from tests.statistical.people import PROMISES, Promise, moved_apart, releases

pytestmark = pytest.mark.slow
RUNS = 200


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_the_promise_is_kept(promise: Promise) -> None:
    """Within three standard errors of the simulation."""
    measured = promise.share(releases(promise.candidate, RUNS))
    assert promise.kept(measured, RUNS), f"{measured} of {promise.required}"


def test_a_gap_is_set_to_what_is_asked() -> None:
    """So that the rows above ask of a known harm."""
    group = asking()[GROUP].to_numpy() == "yes"
    shifted = moved_apart(0.03)
    assert shifted[group].mean() - shifted[~group].mean() == pytest.approx(0.03)
