"""A canary of some people only: nobody else meets the candidate, and it is judged by them."""

from __future__ import annotations

from policies.vocabulary import Audience
from tests.flows.memory_world import MemoryWorld

CANARY, STAFF = "canary 100 % of staff", "score-staff"


def _met(world: MemoryWorld, step: str) -> set[int]:
    """At which minutes of an hour the candidate's answer was given; those of staff are at 0."""
    return {
        int(line["id"][1:]) % 60
        for line in world.telemetry.predictions
        if line["step"] == step and line["arm"] == "candidate" and line["served"]
    }


def test_staff_meet_it_first_and_then_everybody(world: MemoryWorld) -> None:
    """All of the audience are answered by the candidate, nobody else, until the step is passed."""
    told = world.release(policy=STAFF)
    assert told.ended == "RELEASED"
    assert told.steps() == ["staging", "shadow", CANARY, "full", "soak"]
    assert _met(world, CANARY) == {0}
    assert _met(world, "full") == {0, 20, 40}
    plan = next(plan for plan in world.router.published if plan.step == CANARY)
    assert (plan.audience, plan.weight_bp) == (Audience(segments=("staff",)), 10_000)


def test_what_fails_for_the_audience_is_seen_there(world: MemoryWorld) -> None:
    """Their failures end the release although the others' requests are many more."""
    world.register("3", fails_from_bp=10_000)
    told = world.release("3", policy=STAFF)
    assert told.ended == "ROLLED BACK"
    assert told.state.message.startswith("errors")
    assert _met(world, CANARY) <= {0}
    assert "full" not in told.steps()
