"""Whole releases, from the registry to their end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from policies.errors import RefusedError
from policies.vocabulary import Finding
from tasks.traffic.moving import move_traffic
from tests.flows.memory_world import MODEL, MemoryWorld, Moment

STEPS = ["staging", "shadow", "canary 30 %", "ramp 50 %", "ramp 75 %", "full", "soak"]


def test_a_better_candidate_earns_every_step_and_becomes_the_champion(world: MemoryWorld) -> None:
    """Traffic, alias, documents and messages follow; every step is entered once and passed once."""
    told = world.release()
    assert told.ended == "RELEASED"
    assert told.steps() == STEPS
    assert {step: told.verdicts(step) for step in STEPS} == {step: ["PASS"] for step in STEPS}
    assert told.kinds(moves=True)[-3:] == ["promoting", "promoted", "closed"]
    assert world.ledger.verify() == len(world.ledger.entries())

    plan = world.plan
    assert plan.champion is not None
    assert plan.champion.digest == world.digest("2")
    assert plan.previous is not None
    assert plan.previous.digest == world.digest("1")
    assert (plan.candidate, plan.weight_bp, plan.mirror) == (None, 0, False)
    assert world.alias == "score v2"

    entered = [e.at for e in told.entries if e.kind == "entered"]
    left = [*entered[1:], told.one("promoting").at]
    days = [(b - a) / timedelta(days=1) for a, b in zip(entered, left, strict=True)]
    assert days == [0, 3.5, 2, 1, 1, 1, 1]  # the bake times

    names = {e.payload["name"] for e in told.entries if e.kind == "document"}
    assert names == {"model_card", "deployment_record"}
    folder = world.home.path / "documents" / told.release_id
    assert all("score" in (folder / f"{name}.md").read_text() for name in names)
    titles = [m.title for m in world.notifier.sent]
    assert titles == [*(f"score v2: {step}" for step in STEPS), "score v2 is the champion now"]


def test_harm_that_begins_at_the_second_ramp_step_is_rolled_back_there(world: MemoryWorld) -> None:
    """Traffic is contained before anything is written or told; then everything else follows."""
    world.register("3", slope=2.0, fails_from_bp=7500)
    seen = []
    first_word = Moment("before", "containing")
    world.ledger.at(first_word, lambda: seen.append((world.plan.weight_bp, world.plan.mirror)))
    told = world.release("3")
    assert told.ended == "ROLLED BACK"
    assert seen == [(0, False)]
    assert told.steps() == STEPS[:5]
    assert told.verdicts("ramp 50 %") == ["PASS"]
    assert told.verdicts("ramp 75 %") == ["ROLL BACK"]

    last = told.kinds()[told.kinds().index("containing") - 1 :]
    assert last == [
        "looked", "containing", "contained", "quarantined", "incident", "notified", "closed",
        "document", "document", "notified",
    ]  # fmt: skip
    assert told.one("containing").payload["finding"] == Finding.HARMFUL
    assert told.one("contained").payload["seconds_to_zero_traffic"] < 5
    assert told.one("contained").payload["revision"] == world.plan.revision
    assert told.one("quarantined").payload["digest"] == world.digest("3")
    assert told.one("incident").payload["severity"] == "SEV1"
    assert told.one("closed").payload["exposed_requests"] > 50
    _champion_serves_alone(world)

    pages = [m for m in world.notifier.sent if m.kind == "page"]
    assert [page.severity for page in pages] == ["SEV1"]
    draft = world.home.path / "documents" / told.release_id / "post_mortem.md"
    assert "ramp 75 %" in draft.read_text()


def test_a_quarantined_artefact_is_not_released_again(world: MemoryWorld) -> None:
    """Not by its version, and not by another version with the same files."""
    world.register("3", slope=2.0, fails_from_bp=3000)
    told = world.release("3")
    assert told.ended == "ROLLED BACK"
    before = len(world.ledger.entries())
    state = world.try_release("3")
    with pytest.raises(RefusedError, match="quarantined") as refused:
        state.result()
    assert "lift the quarantine" in refused.value.advice
    assert len(world.ledger.entries()) == before
    _champion_serves_alone(world)


def test_features_that_differ_when_served_are_refused_in_staging(world: MemoryWorld) -> None:
    """Training and serving compute another feature: no request ever meets the candidate."""
    world.register("3", slope=2.0, unit=1.8)
    told = world.release("3")
    assert told.ended == "REFUSED"
    assert told.steps() == ["staging"]
    assert "feature parity failed" in told.one("containing").payload["reason"]
    assert told.one("closed").payload["exposed_requests"] == 0
    assert told.one("contained").payload["seconds_to_zero_traffic"] is None
    assert all(plan.weight_bp == 0 and not plan.mirror for plan in world.router.published)
    assert "quarantined" not in told.kinds()
    assert "incident" not in told.kinds()
    _champion_serves_alone(world)


def test_a_candidate_that_does_not_load_is_refused_in_staging(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every replica has tried more than once: that is a finding, and not an outage to wait out."""
    monkeypatch.setitem(move_traffic.__kwdefaults__, "load_again_seconds", 0.0)
    world.register("3", slope=2.0)
    world.serving.refused = {world.digest("3"): "No module named 'lightgbm'"}
    told = world.release("3")
    assert told.ended == "REFUSED"
    assert told.steps() == ["staging"]
    reason = told.one("containing").payload["reason"]
    assert "loading failed" in reason
    assert "No module named 'lightgbm'" in reason
    assert told.one("closed").payload["exposed_requests"] == 0
    _champion_serves_alone(world)


def test_a_candidate_that_raises_is_refused_for_its_errors(world: MemoryWorld) -> None:
    """It shows other features and no scores, but that is what follows and not the cause."""
    world.register("3", slope=None, unit=1.8)
    told = world.release("3")
    assert told.ended == "REFUSED"
    assert "answers failed" in told.one("containing").payload["reason"]


@pytest.mark.parametrize(
    ("moment", "ended", "severity"),
    [
        (Moment("before", "looked", "staging"), "REFUSED", "SEV2"),
        (Moment("after", "entered", "shadow"), "REFUSED", "SEV2"),
        (Moment("after", "looked", "shadow"), "REFUSED", "SEV2"),
        (Moment("after", "entered", "canary 30 %"), "ROLLED BACK", "SEV2"),
        (Moment("after", "looked", "soak"), "ROLLED BACK", "SEV1"),
    ],
    ids=str,
)
def test_files_changed_after_they_were_evaluated_are_never_released(
    world: MemoryWorld, moment: Moment, ended: str, severity: str
) -> None:
    """Whenever it happens: an incident, and neither set of files may be released again."""
    before = world.digest("2")
    changed: list[str] = []
    world.ledger.at(moment, lambda: changed.append(world.overwrite("2")))
    told = world.release()
    assert told.ended == ended
    assert "not those that were evaluated" in told.one("containing").payload["reason"]
    assert told.one("incident").payload["severity"] == severity
    kept_out = [e.payload["digest"] for e in told.entries if e.kind == "quarantined"]
    assert kept_out == [before, *changed]
    assert world.plan.champion is not None
    assert world.plan.champion.digest == world.digest("1")


def test_what_is_not_proven_in_time_is_withdrawn(world: MemoryWorld) -> None:
    """Too little traffic for the proof: looked at until the deadline, never released."""
    world.every = timedelta(hours=4)
    told = world.release()
    assert told.ended == "HELD"
    assert told.steps() == ["staging", "shadow"]
    assert set(told.verdicts("shadow")) == {"HOLD"}
    assert told.one("closed").payload["finding"] == Finding.NOT_ENOUGH_EVIDENCE
    last = [e for e in told.entries if e.kind == "entered"][-1]
    assert told.one("containing").at - last.at == timedelta(days=7)
    assert "quarantined" not in told.kinds()
    _champion_serves_alone(world)


def test_the_first_release_of_a_model_is_compared_with_its_baseline_rule(
    empty_world: MemoryWorld,
) -> None:
    """A rule is a champion like any other: it is compared with, and answers until the end."""
    world = empty_world
    world.adopt(None, rule=0.5)
    told = world.release("1")
    assert told.ended == "RELEASED"
    assert told.one("opened").payload["champion"] is None
    assert world.plan.champion is not None
    assert world.plan.champion.digest == world.digest("1")
    assert world.plan.baseline == 0.5
    assert world.alias == "score v1"


def test_a_harmful_first_release_gives_the_traffic_back_to_the_rule(
    empty_world: MemoryWorld,
) -> None:
    """There is no version to go back to, and none is invented."""
    world = empty_world
    world.adopt(None, rule=0.5)
    world.register("2", slope=2.0, fails_from_bp=5000)
    told = world.release("2")
    assert told.ended == "ROLLED BACK"
    assert (world.plan.champion, world.plan.baseline, world.plan.weight_bp) == (None, 0.5, 0)
    assert world.registry.champion(MODEL) is None


def _champion_serves_alone(world: MemoryWorld) -> None:
    plan = world.plan
    assert plan.champion is not None
    assert plan.champion.digest == world.digest("1")
    assert (plan.candidate, plan.weight_bp, plan.mirror) == (None, 0, False)
    assert world.alias == "score v1"
