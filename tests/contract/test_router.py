"""Every switch keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from policies.errors import RefusedError, StaleMoveError
from policies.vocabulary import Fallback, ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic.adapters.flag_document import FlagDocumentRouter
from tasks.traffic.adapters.memory import MemoryRouter
from tasks.traffic.ports import Router


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


SERVING = TrafficPlan(model="m", champion=version("1"), baseline=0.2)
TRIAL = SERVING.model_copy(
    update={
        "candidate": version("2"),
        "previous": version("3"),
        "weight_bp": 500,
        "mirror": True,
        "release_id": "r-1",
        "step": "canary 5 %",
    }
)


@pytest.fixture(params=["memory", "flag document"])
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Router:
    make: dict[str, Callable[[], Router]] = {
        "memory": MemoryRouter,
        "flag document": lambda: FlagDocumentRouter(tmp_path / "home" / "flags.json"),
    }
    return make[request.param]()


def test_an_empty_switch_knows_nothing(router: Router) -> None:
    assert router.current("m") is None
    assert router.killed_to("m") is None
    for act in (lambda: router.kill("m", None, "why", "ann"), lambda: router.restore("m", "ann")):
        with pytest.raises(RefusedError, match="knows no model"):
            act()


def test_what_is_applied_is_current(router: Router) -> None:
    """The plan comes back as it was, with a revision."""
    published = router.apply(TRIAL)
    assert published == TRIAL.model_copy(update={"revision": 1})
    assert router.current("m") == published


def test_a_plan_decided_before_somebody_moved_the_traffic_is_refused(router: Router) -> None:
    """Whoever decided on an older revision decides again; what was published stays."""
    first = router.apply(SERVING, after=0)
    trial = router.apply(TRIAL, after=first.revision)
    contained = router.apply(SERVING)
    with pytest.raises(StaleMoveError, match="decided at 2"):
        router.apply(TRIAL, after=trial.revision)
    assert router.current("m") == contained
    assert router.apply(SERVING, after=first.revision) == contained  # the same plan is no move


def test_revisions_grow_and_the_same_plan_keeps_its_own(router: Router) -> None:
    """Applying is idempotent: a step carried out again after a crash publishes nothing."""
    first = router.apply(SERVING)
    again = router.apply(SERVING)
    trial = router.apply(TRIAL)
    trial_again = router.apply(trial)
    assert first == again
    assert trial == trial_again
    assert (first.revision, trial.revision) == (1, 2)


def test_wrong_plans_change_nothing(router: Router) -> None:
    held = router.apply(SERVING)
    with pytest.raises(RefusedError, match="not named"):
        router.apply(SERVING.model_copy(update={"weight_bp": 100}))
    assert router.current("m") == held


@pytest.mark.parametrize(
    ("to", "target"),
    [(None, "previous"), ("previous", "previous"), ("baseline", "baseline"), ("error", "error")],
)
def test_a_kill_outranks_every_plan(router: Router, to: str | None, target: str) -> None:
    held = router.apply(TRIAL)
    assert router.kill("m", to, "wrong answers", "ann").revision > held.revision
    assert router.killed_to("m") == target
    for plan in (TRIAL, SERVING):
        with pytest.raises(RefusedError, match="is killed"):
            router.apply(plan)
    assert router.killed_to("m") == target


def test_a_kill_falls_to_what_is_there(router: Router) -> None:
    """No previous version on record: the next in the chain answers."""
    router.apply(SERVING)
    router.kill("m", "previous", "wrong answers", "ann")
    assert router.killed_to("m") == "baseline"


@pytest.mark.parametrize(
    ("chain", "to", "target"),
    [
        (("baseline", "previous", "error"), None, "baseline"),
        (("degraded",), None, "degraded"),
        (("degraded",), "previous", "previous"),  # what is named comes first, then the chain
        (("previous", "degraded"), "degraded", "degraded"),
        (("error",), None, "error"),
        (("error",), "degraded", "degraded"),  # always there, also where no policy names it
    ],
)
def test_a_kill_goes_down_the_policys_chain(
    router: Router, chain: tuple[Fallback, ...], to: str | None, target: str
) -> None:
    """Who answers after a kill is the policy's order, kept with the plan."""
    held = router.apply(TRIAL.model_copy(update={"fallback": chain}))
    assert held.fallback == chain
    router.kill("m", to, "wrong answers", "ann")
    assert router.killed_to("m") == target
    assert router.restore("m", "ann").fallback == chain


def test_a_kill_names_a_target_that_exists(router: Router) -> None:
    router.apply(TRIAL)
    with pytest.raises(RefusedError, match="cannot be killed to candidate"):
        router.kill("m", "candidate", "typed wrongly", "ann")
    assert router.killed_to("m") is None


def test_restore_lifts_the_kill_and_leaves_the_candidate_out(router: Router) -> None:
    router.apply(TRIAL)
    router.kill("m", "error", "wrong answers", "ann")
    restored = router.restore("m", "ann")
    assert router.killed_to("m") is None
    assert (restored.weight_bp, restored.mirror) == (0, False)
    assert router.restore("m", "ann") == restored
    assert router.apply(TRIAL).weight_bp == TRIAL.weight_bp


def test_models_do_not_touch_each_other(router: Router) -> None:
    router.apply(TRIAL)
    router.apply(TrafficPlan(model="n", champion=None, baseline=0.5))
    router.kill("m", "error", "wrong answers", "ann")
    assert router.killed_to("n") is None
    assert router.current("n") is not None
