"""``seatrial release --dry-run``: what would happen and what is missing, and nothing happens."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.cli import plan_text
from deployments.cli.planning import Plan, plan_release
from deployments.control import switch
from policies import loader
from policies.errors import LedgerError, UnavailableError
from tasks.ledger.record import note
from tests.contract.test_directory import key
from tests.flows.memory_world import (
    CATALOG,
    LIVED,
    MODEL,
    START,
    MemoryWorld,
    Moment,
    ProcessDied,
    die,
)


def planned(world: MemoryWorld, version: str = "2", policy: str | None = "score") -> Plan:
    """The plan; whatever it says, the world is as it was."""
    before = (world.ledger.entries(), world.router.current(MODEL), world.notifier.sent.copy())
    runs = world.orchestrator.runs("release/release")
    plan = plan_release(world, MODEL, version, policy, "erin")
    after = (world.ledger.entries(), world.router.current(MODEL), world.notifier.sent)
    assert (before, runs) == (after, world.orchestrator.runs("release/release"))
    return plan


def missing(world: MemoryWorld, *asked: str, policy: str | None = "score") -> str:
    """What would stop the release, with its advice."""
    plan = planned(world, *asked, policy=policy)
    assert plan.is_stopped
    assert all(lack.advice for lack in plan.lacks)
    json.dumps(plan_text.data(plan))
    return "\n".join(lack.what for lack in plan.lacks if lack.stops)


def test_a_release_that_lacks_nothing(
    world: MemoryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which policy and why, every step with its dates, and how to begin; then it does begin."""
    plan = planned(world)
    assert [lack.what for lack in plan.lacks] == []
    assert plan.ruling is not None and plan.ruling.policy.policy == "score"
    assert plan.why_policy == "it was asked for, and no policy names the model"
    days = [(each.passes - each.opens) / timedelta(days=1) for each in plan.steps]
    assert days == [0, 3.5, 2, 1, 1, 1, 1]  # the bake times; the whole release takes as long
    assert plan.steps[0].opens == START + LIVED
    plan_text.tell(plan, as_json=False)
    told = capsys.readouterr().out
    assert "Nothing is missing." in told and "canary 30 %" in told
    assert told.rstrip().endswith("Begin it: seatrial release score 2")
    plan_text.tell(plan, as_json=True)
    assert json.loads(capsys.readouterr().out)["stopped"] is False
    release = world.release()
    assert [e.payload["step"]["name"] for e in release.entries if e.kind == "entered"] == [
        each.step.name for each in plan.steps
    ]


def test_a_model_that_nothing_serves(empty_world: MemoryWorld) -> None:
    """No champion and no traffic: both are told at once."""
    told = missing(empty_world, "1")
    assert "Nothing serves score yet" in told
    assert "There is not enough labelled traffic: 0 labelled rows" in told


def test_a_version_that_cannot_be_released(world: MemoryWorld) -> None:
    """Unknown, the champion itself, in quarantine, without a reference sample."""
    assert "score v9 is not registered" in missing(world, "9")
    assert "the same files as the champion" in missing(world, "1")
    held = {"digest": world.digest("2"), "reason": "it looked odd"}
    note(world.ledger, "quarantined", held, at=START, actor="ann", model=MODEL)
    assert "score v2 is quarantined: it looked odd" in missing(world)
    world.register("3")
    (world.home.path / "models" / "3" / "reference" / "rows.jsonl").unlink()
    assert "score v3 carries no reference rows" in missing(world, "3")


def test_a_release_that_is_live(world: MemoryWorld) -> None:
    """One at a time; the plan is told all the same."""
    world.register("3", slope=1.5)
    world.ledger.at(Moment("before", "looked", "shadow"), die)
    with pytest.raises(ProcessDied):
        world.release()
    plan = planned(world, "3")
    assert any("is live: one at a time" in lack.what for lack in plan.lacks if lack.stops)
    assert plan.steps


def test_a_model_out_of_service(world: MemoryWorld) -> None:
    switch.kill(world, MODEL, None, "smoke", "ada")
    assert "score is out of service" in missing(world)


@pytest.mark.parametrize("part", ["ledger", "registry", "serving", "telemetry", "orchestrator"])
def test_a_part_that_is_away_hides_nothing_else(world: MemoryWorld, part: str) -> None:
    """It is told with advice; the steps, which need only the policy, are told as well."""

    class Away:
        def __getattr__(self, name: str) -> object:
            def asked(*_: object, **__: object) -> object:
                if part == "ledger":
                    raise LedgerError("The ledger is away.", advice="Mend it.")
                raise UnavailableError(f"The {part} is away.", advice="Start it.")

            return asked

    whole = getattr(world, part)
    setattr(world, part, Away())
    plan = plan_release(world, MODEL, "2", "score", "erin")
    setattr(world, part, whole)
    assert f"The {part} is away." in [lack.what for lack in plan.lacks if lack.stops]
    assert len([lack for lack in plan.lacks if lack.stops]) == 1
    assert len(plan.steps) == 7


def test_a_policy_that_cannot_be_found(world: MemoryWorld) -> None:
    """What needs no policy is still looked up."""
    plan = planned(world, "9", policy="scroe")
    assert len(plan.lacks) == 2 and plan.steps == ()


# ── Who signs ───────────────────────────────────────────────────────────────────────────────


def people(world: MemoryWorld, *rows: tuple[str, list[str], bool]) -> None:
    listed = [
        {"name": name, "roles": roles, "public_keys": [key(at)] if has_key else []}
        for at, (name, roles, has_key) in enumerate(rows)
    ]
    (world.home.path / "people.json").write_text(json.dumps({"people": listed}))


def roles_of(policy: str) -> dict[str, int]:
    (rule,) = loader.load(CATALOG / f"{policy}.yaml").policy.approvals
    return dict(rule.roles)


def test_who_can_sign_and_who_cannot(world: MemoryWorld) -> None:
    """The requester and the trainer are named with the reason; so is who has no key."""
    role, *_ = roles_of("score-signed")
    people(world, ("erin", [role], True), ("tom", [role], True), ("una", [role], False))
    told = missing(world, policy="score-signed")
    assert "Nobody can sign for" in told
    (gate,) = planned(world, policy="score-signed").gates
    assert gate.can[role] == ()
    assert gate.cannot == {
        "erin": "asks for the release", "tom": "trained the model", "una": "has no key",
    }  # fmt: skip


def test_people_nobody_knows_are_told(world: MemoryWorld, tmp_path: Path) -> None:
    """A missing directory, and a requester it does not name."""
    assert "There is no directory of people" in missing(world, policy="score-signed")
    people(world, ("tom", [], True))
    assert "'erin', who asks for the release, is nobody" in missing(world, policy="score-signed")


def test_enough_people_can_sign(world: MemoryWorld) -> None:
    """Each place needs somebody of its own."""
    places = [role for role, count in roles_of("score-signed").items() for _ in range(count)]
    rows = [(f"p{at}", [role], True) for at, role in enumerate(places)]
    people(world, ("erin", [], True), ("tom", [], True), *rows)
    plan = planned(world, policy="score-signed")
    assert [lack.what for lack in plan.lacks] == []
