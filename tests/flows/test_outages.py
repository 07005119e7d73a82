"""What is down is never good news: the release holds, says so, and goes on later."""

from __future__ import annotations

from threading import Timer

import pytest
from prefect import flow

from flows.looks import serving
from policies.lifecycle import Release
from policies.loader import load
from policies.verdict import judge
from policies.vocabulary import Decision, Evidence, Finding, Serving, Step
from tasks.telemetry.task import observe
from tasks.traffic.task import check_serving
from tests.flows.memory_world import CATALOG, MODEL, Happening, MemoryWorld, Moment


def test_without_telemetry_it_holds_and_passes_when_it_is_back(world: MemoryWorld) -> None:
    """A source that does not answer is neither good nor bad news; the next look is as planned."""
    world.happenings.append(Happening("canary 30 %", lambda: _telemetry(world, down=True)))
    world.ledger.at(Moment("after", "looked", "canary 30 %"), lambda: _telemetry(world, down=False))
    told = world.release(policy="score-short")
    assert told.ended == "RELEASED"
    assert told.verdicts("canary 30 %") == ["HOLD", "PASS"]
    looks = [e.payload for e in told.entries if e.kind == "looked"]
    held = next(p for p in looks if p["verdict"]["decision"] == "HOLD")
    assert held["verdict"]["finding"] == Finding.SOURCE_DOWN == "metric source down"
    assert "telemetry" in held["verdict"]["reason"]
    assert told.steps() == ["staging", "shadow", "canary 30 %", "full", "soak"]


def test_the_same_hold_is_told_once_however_often_it_is_looked_at(world: MemoryWorld) -> None:
    """Three looks at a source that stays down: one message, until the release ends for it."""
    world.happenings.append(Happening("canary 30 %", lambda: _telemetry(world, down=True)))
    world.ledger.at(Moment("after", "contained"), lambda: _telemetry(world, down=False))
    told = world.release(policy="score-short")
    assert told.ended == "HELD"
    assert told.verdicts("canary 30 %") == ["HOLD"] * 3
    (hold,) = [m for m in world.notifier.sent if m.kind == "hold"]
    assert hold.title == "score v2 holds at canary 30 %: metric source down"
    assert hold.to == ("score team",)
    assert world.notifier.sent[-1].title == "score v2 was withdrawn without proof either way"


def test_a_step_that_cannot_be_entered_is_entered_later(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent is recorded once an attempt, the step once; people hear of it once."""
    monkeypatch.setattr("flows.steps.RETRY_SECONDS", 0.01)
    step = "canary 30 %"
    world.ledger.at(Moment("after", "entering", step), lambda: setattr(world.router, "away", 7))
    told = world.release(policy="score-short")
    assert told.ended == "RELEASED"
    assert told.steps("entering").count(step) == 3  # of three tries each, the last one of one
    assert told.steps() == ["staging", "shadow", step, "full", "soak"]
    assert [p.step for p in world.router.published].count(step) == 1
    holds = [m for m in world.notifier.sent if m.kind == "hold"]
    assert len(holds) == 1
    assert "flag document" in holds[0].body


def test_a_gateway_that_is_silent_for_a_moment_is_waited_for(world: MemoryWorld) -> None:
    """Nothing is recorded as done before every serving process says so."""

    def silent() -> None:
        world.serving.fail = True
        Timer(0.4, lambda: setattr(world.serving, "fail", False)).start()

    world.ledger.at(Moment("after", "entering", "full"), silent)
    told = world.release(policy="score-short")
    assert told.ended == "RELEASED"
    assert told.steps("entering").count("full") == 1
    entered = next(
        e for e in told.entries if e.kind == "entered" and e.payload["step"]["name"] == "full"
    )
    observed = [Serving.model_validate(each) for each in entered.payload["observed"]]
    assert [each.weight_bp for each in observed] == [10_000]


def test_a_look_at_a_changed_world_sees_the_changed_world(world: MemoryWorld) -> None:
    """The same questions with the same arguments get new answers: nothing is ever cached."""
    policy = load(CATALOG / "score.yaml").policy
    plan, step = world.plan, Step(name="shadow", stage="shadow", mirror=True)
    end = world.clock.now(MODEL).replace(year=2030)

    @flow
    def look_twice() -> list[tuple[int, float | None]]:
        seen = []
        for _ in range(2):
            observation = observe("rel-none", MODEL, policy, step, end, {})
            seen.append((observation.coverage.served, check_serving(plan).effect))
            line = world.telemetry.predictions[-1] | {"release": "rel-none", "step": "shadow"}
            world.telemetry.predictions.append(line)
            world.router.kill(MODEL, None, "smoke", "ada")
        return seen

    assert look_twice() == [(0, 0.0), (1, 1.0)]


def _telemetry(world: MemoryWorld, *, down: bool) -> None:
    world.telemetry.down = down


def test_a_silent_replica_hides_no_harm(world: MemoryWorld) -> None:
    """The windows that were read are weighed; that nobody answers is said beside them."""
    plan = world.router.current(MODEL)
    policy = load(CATALOG / "score-short.yaml").policy
    state = Release(plan=plan, policy_document=policy.model_dump(mode="json"))
    world.serving.fail = True

    @flow(persist_result=False)
    def look() -> list[Evidence]:
        return [serving(state)]

    (seen,) = look()
    assert (seen.name, seen.status) == ("serving", "down")
    harm = Evidence(
        name="quality", kind="sequential", weight=0.6, log_e_harm=50.0, rollback_at=0.01
    )
    verdict = judge(policy, policy.steps()[2], [harm, seen])
    assert verdict.decision is Decision.ROLL_BACK
