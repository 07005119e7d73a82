"""When a plan counts as served, and when a candidate counts as one that cannot be loaded."""

from __future__ import annotations

import pytest

from policies.errors import UnavailableError
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic.adapters.memory import MemoryRouter, MemoryServingPlane
from tasks.traffic.moving import Moved, move_traffic, unloadable

GOOD, BAD = "sha256:" + "1" * 64, "sha256:" + "2" * 64
WHY = "its weights are missing"


def variant(version: str, digest: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=version), digest=digest)


def plan(**more: object) -> TrafficPlan:
    two = {"champion": variant("1", GOOD), "candidate": variant("2", BAD)}
    return TrafficPlan.model_validate({"model": "m", **two, "release_id": "rel-1", **more})


def moved(asked: TrafficPlan, *, refused: bool, timeout_seconds: float = 0.0) -> Moved:
    router = MemoryRouter()
    serving = MemoryServingPlane(router, lambda _, __: 0.5)
    serving.refused = {BAD: WHY} if refused else {}
    return move_traffic(
        router, serving, asked, load_again_seconds=0.01, timeout_seconds=timeout_seconds
    )


def test_a_plan_that_is_served_is_settled() -> None:
    done = moved(plan(weight_bp=500), refused=False, timeout_seconds=1.0)
    assert done.observed[0].revision == done.plan.revision == 1
    assert unloadable(done.plan, done.observed) == ()


def test_a_candidate_that_nobody_meets_may_turn_out_to_be_unloadable() -> None:
    """Waiting longer would not load it: what the replicas say goes to the trial."""
    done = moved(plan(step="staging"), refused=True, timeout_seconds=1.0)
    assert unloadable(done.plan, done.observed) == (f"memory: {WHY}",)
    assert "candidate" not in done.observed[0].serving
    assert done.seconds >= 0.01


@pytest.mark.parametrize("asked", [{"weight_bp": 500}, {"mirror": True}], ids=str)
def test_traffic_is_never_believed_moved_to_a_version_that_is_not_loaded(
    asked: dict[str, object],
) -> None:
    with pytest.raises(UnavailableError, match="does not serve revision"):
        moved(plan(**asked), refused=True, timeout_seconds=0.05)


def test_without_a_candidate_nothing_is_unloadable() -> None:
    assert unloadable(plan(candidate=None), ()) == ()
