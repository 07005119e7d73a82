"""The flag document: exact both ways, and wrong ones are told from right ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import RefusedError
from policies.vocabulary import Audience, ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic import document as documents
from tasks.traffic.document import check
from tasks.traffic.flag import Kill, faults_of, flag_of, kill_of, plan_of
from tests.unit.letters import LETTERS

digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(
    lambda digits: f"sha256:{digits}"
)
variants = st.builds(
    lambda version, digest: TrafficVariant(ref=ModelRef(model="m", version=version), digest=digest),
    st.integers(1, 99).map(str),
    digests,
)
plans = st.builds(
    TrafficPlan,
    model=st.just("m"),
    champion=st.none() | variants,
    candidate=st.none() | variants,
    previous=st.none() | variants,
    weight_bp=st.integers(0, 10_000),
    mirror=st.booleans(),
    baseline=st.none() | st.floats(0, 1),
    release_id=st.none() | st.text(LETTERS, min_size=1, max_size=20),
    step=st.sampled_from(["", "shadow", "ramp 25 %"]),
    revision=st.integers(1, 10**9),
).filter(lambda plan: not faults_of(plan))
kills = st.none() | st.builds(
    Kill, to=st.just("error"), reason=st.text(LETTERS), actor=st.text(LETTERS)
)


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


PLAN = TrafficPlan(
    model="m", champion=version("1"), candidate=version("2"), weight_bp=500, mirror=True, revision=3
)


def document(plan: TrafficPlan = PLAN, kill: Kill | None = None) -> dict[str, Any]:
    return {"flags": {"m": flag_of(plan, kill)}}


@given(plans, kills)
def test_plan_and_kill_survive_the_flag(plan: TrafficPlan, kill: Kill | None) -> None:
    """What is written as a flag, and passes through JSON, is read back the same, and checks."""
    flag = json.loads(json.dumps(flag_of(plan, kill)))
    assert (plan_of("m", flag), kill_of(flag)) == (plan, kill)
    assert check({"flags": {"m": flag}}) == []


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(flag: dict[str, Any]) -> None:
        place: Any = flag
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


def _drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(flag: dict[str, Any]) -> None:
        place: Any = flag
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


FAULTS = {
    "disabled": (_set("state", to="DISABLED"), "state is not ENABLED"),
    "no targeting": (_drop("targeting"), "targeting is missing"),
    "empty targeting": (_set("targeting", to={}), "targeting is empty"),
    "other targeting": (_set("targeting", to={"if": []}), "not a fractional split"),
    "unknown default": (_set("defaultVariant", to="none"), "not among the variants"),
    "unknown share": (_set("targeting", "fractional", 1, 0, to="c"), "unknown variant c"),
    "unknown variant": (_set("variants", "third", to={}), "unknown variant third"),
    "fraction": (_set("targeting", "fractional", 1, 1, to=500.5), "not a whole number"),
    "true as weight": (_set("targeting", "fractional", 1, 1, to=True), "not a whole number"),
    "wrong sum": (_set("targeting", "fractional", 1, 1, to=501), "sum to 10001"),
    "share not a pair": (_set("targeting", "fractional", 1, to=["candidate"]), "not a pair"),
    "no champion": (_drop("variants", "champion"), "champion is missing"),
    "variant a number": (_set("variants", "candidate", to=1), "not an object"),
    "no digest": (_drop("variants", "candidate", "digest"), "candidate names no version"),
    "short digest": (_set("variants", "candidate", "digest", to="sha256:1"), "digest"),
    "no revision": (_drop("metadata", "rev"), "metadata.rev"),
    "text as revision": (_set("metadata", "rev", to="3"), "metadata.rev"),
    "weight disagrees": (_set("metadata", "weight_bp", to=400), "contradict"),
    "hash of something else": (_set("targeting", "fractional", 0, to={"var": "x"}), "contradict"),
    "killed without effect": (_set("metadata", "killed_to", to="error"), "contradict"),
}


@pytest.mark.parametrize(("change", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_wrong_flags_are_refused(change: Callable[[dict[str, Any]], None], fault: str) -> None:
    """A document that flagd would read without complaint and that would serve wrongly."""
    wrong = copy.deepcopy(document())
    change(wrong["flags"]["m"])
    assert any(fault in told for told in check(wrong)), check(wrong)


@pytest.mark.parametrize(
    "wrong", [None, [], "x", {}, {"flags": {}}, {"flags": []}, {"flags": {"m": 1}}]
)
def test_documents_without_flags_are_refused(wrong: object) -> None:
    """An empty document fails open in readers that have defaults: here it never counts."""
    assert check(wrong)


def test_successors() -> None:
    """No older revision, no second text for one revision, no flag lost."""
    held = document()
    older = document(PLAN.model_copy(update={"revision": 2}))
    other = document(PLAN.model_copy(update={"weight_bp": 501}))
    newer = document(PLAN.model_copy(update={"revision": 4}))
    lost = {"flags": {"n": flag_of(TrafficPlan(model="n", champion=None, baseline=0.5))}}
    assert check(held, held) == check(newer, held) == []
    assert "older" in check(older, held)[0]
    assert "other contents" in check(other, held)[0]
    assert "disappeared" in check(lost, held)[0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"champion": None}, "neither"),
        ({"candidate": None}, "not named"),
        ({"candidate": PLAN.champion}, "same version"),
        ({"model": "n"}, "not of n"),
        ({"audience": Audience(hours=(1, 5), time_zone="Mars/Base")}, "Mars/Base is unknown"),
    ],
)
def test_wrong_plans_change_nothing(change: dict[str, Any], fault: str) -> None:
    held = document()
    before = copy.deepcopy(held)
    with pytest.raises(RefusedError, match=fault):
        documents.apply(held, PLAN.model_copy(update=change))
    assert held == before


@given(plans, st.sampled_from([None, "previous", "baseline", "error", "champion"]))
def test_a_kill_always_finds_a_target(plan: TrafficPlan, to: str | None) -> None:
    """Whatever the plan: the candidate gets nothing, and the flag is fit to serve."""
    killed, _ = documents.kill(document(plan), "m", to, "burning", "ann")
    flag = killed["flags"]["m"]
    assert check(killed, document(plan)) == []
    assert flag["defaultVariant"] in flag["variants"]
    assert flag["targeting"] == {}


@given(plans)
def test_restore_gives_the_candidate_nothing(plan: TrafficPlan) -> None:
    """Lifting a kill never sends anybody back to what was on trial."""
    killed, _ = documents.kill(document(plan), "m", None, "burning", "ann")
    restored, after = documents.restore(killed, "m")
    assert (after.weight_bp, after.mirror, after.champion) == (0, False, plan.champion)
    assert check(restored, killed) == []
