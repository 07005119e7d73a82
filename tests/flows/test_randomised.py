"""Labels that depend on the answer: each model is judged by the users it answered."""

from __future__ import annotations

from policies.vocabulary import Finding
from tests.flows.memory_world import MemoryWorld

RANDOMISED = {"policy": "score-randomised"}


def test_a_better_candidate_is_released_by_what_its_own_users_showed(world: MemoryWorld) -> None:
    """In shadow nobody is its user: failures alone are judged there, quality from the canary on."""
    told = world.release(**RANDOMISED)
    assert told.ended == "RELEASED"
    looks = [e.payload for e in told.entries if e.kind == "looked"]
    at = {look["step"]: {i["name"]: i for i in look["evidence"]} for look in looks}
    assert "quality" not in at["shadow"] and "errors" in at["shadow"]
    quality = at["canary 30 %"]["quality"]
    assert (quality["unit"], quality["windows"][0]["paired"]) == ("users", None)
    assert quality["effect"] < 0


def test_a_worse_candidate_is_rolled_back_by_what_its_own_users_showed(world: MemoryWorld) -> None:
    """It looked as good in staging, and is sure of the wrong thing once it is asked for real."""
    world.register("3", slope=2.0, turns_at_bp=3000)
    told = world.release("3", **RANDOMISED)
    assert (told.ended, told.steps()[-1]) == ("ROLLED BACK", "canary 30 %")
    containing = told.one("containing").payload
    assert containing["finding"] == Finding.HARMFUL
    assert containing["reason"].startswith("quality is worse than 0.08 allows")


def test_labels_that_one_arm_lacks_make_no_comparison(world: MemoryWorld) -> None:
    """Only the champion's users are heard of: that says nothing about the candidate's."""
    world.unheard = "candidate"
    told = world.release(**RANDOMISED)
    assert told.ended == "HELD"
    assert told.steps()[-1] == "canary 30 %"
    last = [e.payload for e in told.entries if e.kind == "looked"][-1]["verdict"]
    assert last["finding"] == Finding.INVALID
    assert "coverage" in last["reason"]
