"""What serves is what was released, and what would be fallen back to answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from flows.rerisk import rerisk
from flows.soak import soak
from policies import loader
from policies.verdict import judge
from policies.vocabulary import Decision, Finding, ModelRef, TrafficPlan, TrafficVariant
from tasks.ledger.record import note
from tasks.traffic.ports import Probe
from tasks.traffic.task import check_fallback
from tests.flows.memory_world import CATALOG, MODEL, MemoryWorld, Moment, ProcessDied, die

RULES = loader.find("score", (CATALOG, loader.CATALOG)).policy


@pytest.fixture
def watched(world: MemoryWorld) -> MemoryWorld:
    """The policy `score` names the model, so its levels are watched between releases."""
    folder = world.home.path / "catalog"
    folder.mkdir()
    text = (CATALOG / "score.yaml").read_text().replace("applies_to: []", f"applies_to: [{MODEL}]")
    (folder / "score.yaml").write_text(text)
    world.settings = world.settings.model_copy(update={"catalog": str(folder)})
    return world


def live(world: MemoryWorld, days: float) -> None:
    world.clock.real_seconds_until(MODEL, world.clock.now(MODEL) + timedelta(days=days))


def alerts(world: MemoryWorld) -> list[tuple[str, str]]:
    """What the daily looks have left on the ledger."""
    found = [e for e in world.ledger.entries() if e.kind in ("alert", "alert_over")]
    return [(e.payload["about"], e.payload.get("status", "well")) for e in found]


def test_a_champion_that_is_well_is_left_alone(watched: MemoryWorld) -> None:
    """Nothing is written about what is well, however often it is looked at."""
    before = watched.ledger.entries()
    soak()
    soak()
    assert watched.ledger.entries() == before
    assert watched.notifier.sent == []


def test_another_version_behind_the_switch_is_told_once(watched: MemoryWorld) -> None:
    """Somebody moved the switch past the record: one alert, one page, and no act."""
    other = TrafficVariant(ref=ModelRef(model=MODEL, version="2"), digest=watched.digest("2"))
    moved = watched.router.apply(TrafficPlan(model=MODEL, champion=other))
    soak()
    soak()
    assert alerts(watched) == [("what serves", "found")]
    (page,) = watched.notifier.sent
    assert (page.kind, page.title) == ("page", f"{MODEL} does not serve what was released")
    assert page.to == ("score-on-call",)
    assert watched.plan == moved


def test_a_candidate_without_a_release_is_told(watched: MemoryWorld) -> None:
    """Somebody gave a version traffic by hand: the share that users meet is on no record."""
    other = TrafficVariant(ref=ModelRef(model=MODEL, version="2"), digest=watched.digest("2"))
    plan = watched.plan.model_copy(update={"candidate": other, "weight_bp": 1000, "revision": 0})
    watched.router.apply(plan)
    soak()
    (told,) = watched.notifier.sent
    assert told.title == f"{MODEL} between releases: traffic not well"
    assert "gives score v2 10 %" in told.body


def test_errors_labels_and_data_are_told_once_and_again_when_well(watched: MemoryWorld) -> None:
    """Three faults in one day are one message to the owner; what is mended is told as well."""
    now = watched.clock.now(MODEL)
    for line in watched.telemetry.predictions:
        line["error"] = "it broke"
    for line in watched.telemetry.outcomes:
        line["label"] = None
    for line in watched.telemetry.inputs:
        line["inputs"] = line["inputs"] | {"x": 99.0}
    soak()
    soak()
    (told,) = watched.notifier.sent
    assert (told.kind, told.to) == ("between", ("score team",))
    faults = ["errors", "labels", "data contract"]
    assert alerts(watched) == [(each, "found") for each in faults]
    assert all(f"• {each} not well: " in told.body for each in faults)
    assert "100.0%; the policy's level is 20.0%" in told.body

    live(watched, 2)
    soak()
    assert watched.clock.now(MODEL) > now
    assert alerts(watched)[3:] == [(each, "well") for each in faults]
    assert watched.notifier.sent[1].to == ()
    assert "errors well again" in watched.notifier.sent[1].title


def test_what_cannot_be_observed_is_never_well(watched: MemoryWorld) -> None:
    """No source, no traffic: told as not observed, once, and found again when it is back."""
    watched.telemetry.down = True
    soak()
    unseen = [(each, "not observed") for each in ("errors", "labels", "data contract")]
    assert alerts(watched) == unseen
    assert len(watched.notifier.sent) == 1
    watched.telemetry.down = False
    watched.telemetry.predictions.clear()
    soak()
    assert alerts(watched) == unseen
    assert "well" not in watched.notifier.sent[0].title


# ── Drift: no label is wrong yet, and nothing has failed ────────────────────────────────────


LIMITS = "{distance: %s, warn_at: %s, window_days: 1, reference_days: 4, min_rows: 50, %s}"
SCORES = LIMITS % ("kolmogorov_smirnov", 0.3, "act_at: 0.5")
INPUTS = LIMITS % ("kolmogorov_smirnov", 0.4, "reference: recent, columns: [x]")


def watch_drift(world: MemoryWorld, **parts: str) -> None:
    rules = world.home.path / "catalog" / "score.yaml"
    block = "".join(f"  {name}: {text}\n" for name, text in parts.items())
    rules.write_text(f"{rules.read_text()}\ndrift:\n{block}")


@pytest.fixture
def drifting(watched: MemoryWorld) -> MemoryWorld:
    """Shapes of inputs and of the champion's own scores are watched too, after five days."""
    watch_drift(watched, inputs=INPUTS, predictions=SCORES)
    live(watched, 4)
    return watched


def test_a_healthy_champion_drifts_little(drifting: MemoryWorld) -> None:
    """Days of the same traffic: nobody is told anything."""
    for _ in range(3):
        soak()
        live(drifting, 1)
    assert alerts(drifting) == [] and drifting.notifier.sent == []


def test_scores_that_move_without_a_label_open_a_suspected_incident(drifting: MemoryWorld) -> None:
    """A feed sends one value: told once, suspected once, nothing moved; and well again."""
    before = drifting.plan
    drifting.frozen = {"x": 3.0}
    live(drifting, 1)
    soak()
    soak()
    assert alerts(drifting) == [("prediction drift", "suspected"), ("input drift", "found")]
    incident, told = drifting.notifier.sent
    assert (incident.kind, incident.severity, incident.to) == ("incident", "SEV4", ("score team",))
    assert incident.title == "SEV4 (suspected) score: prediction drift"
    assert "Kolmogorov-Smirnov distance: scores" in incident.body
    assert told.title == "score between releases: input drift not well"
    assert drifting.plan == before
    (opened,) = [e for e in drifting.ledger.entries() if e.kind == "incident"]
    assert (opened.release_id, opened.model) == (None, MODEL)
    assert (opened.payload["status"], opened.payload["about"]) == ("suspected", "prediction drift")

    (alert, _) = [e for e in drifting.ledger.entries() if e.kind == "alert"]
    (figure,) = alert.payload["figures"]
    assert (figure["what"], figure["rows"], figure["reference_rows"]) == ("scores", 72, 288)
    assert figure["value"] > 0.5 and figure["bins_digest"].startswith("sha256:")

    drifting.frozen = {}
    live(drifting, 6)
    soak()
    assert alerts(drifting)[2:] == [("input drift", "well"), ("prediction drift", "well")]
    drifting.frozen = {"x": 3.0}
    live(drifting, 1)
    soak()
    assert len([e for e in drifting.ledger.entries() if e.kind == "incident"]) == 2


def test_a_suspicion_whose_look_died_is_told_by_the_next(drifting: MemoryWorld) -> None:
    """The incident is on record before anybody is told: it is told then, and stays one."""
    drifting.frozen = {"x": 3.0}
    live(drifting, 1)
    drifting.ledger.at(Moment("before", "alert"), die)
    with pytest.raises(ProcessDied):
        soak()
    soak()
    assert len([e for e in drifting.ledger.entries() if e.kind == "incident"]) == 1
    assert ("prediction drift", "suspected") in alerts(drifting)


def test_drift_without_rows_is_not_observed(drifting: MemoryWorld) -> None:
    """A window or a reference that is empty, or a source that is down: never well."""
    drifting.telemetry.inputs.clear()
    now = drifting.clock.now(MODEL) - timedelta(days=1)
    kept = [r for r in drifting.telemetry.predictions if r["at"] >= now.isoformat()]
    drifting.telemetry.predictions[:] = kept
    soak()
    unseen = [("input drift", "not observed"), ("prediction drift", "not observed")]
    assert alerts(drifting)[-2:] == unseen
    assert "in the reference, 50 needed" in drifting.notifier.sent[0].body


def test_a_young_champion_has_no_past_of_its_own(watched: MemoryWorld) -> None:
    """Two days after it was adopted there is nothing to compare: it is not asked yet."""
    watch_drift(watched, predictions=SCORES)
    soak()
    assert alerts(watched) == []


def test_a_model_that_no_policy_names_is_told_as_such(world: MemoryWorld) -> None:
    """Nobody said what is well for it: that is no silence."""
    soak()
    soak()
    assert alerts(world) == [("policy", "not observed")]


@pytest.mark.parametrize("round_of", [soak, rerisk])
def test_a_broken_catalogue_is_told_once_and_again_when_mended(
    watched: MemoryWorld, round_of: Callable[[], None]
) -> None:
    """Nobody can say what is well, nor whose review is due: the fault is told with its place."""
    broken = watched.home.path / "catalog" / "score.yaml"
    sound = broken.read_text()
    broken.write_text(sound + "no_such_field: 1\n")
    round_of()
    round_of()
    assert alerts(watched) == [("policy", "not observed")]
    (told,) = watched.notifier.sent
    assert "score.yaml" in told.body and "no_such_field" in told.body
    broken.write_text(sound)
    soak()
    assert alerts(watched)[1:] == [("policy", "well")]


def test_a_model_on_trial_is_left_to_its_release(watched: MemoryWorld) -> None:
    """Its release looks at it; only what serves is asked here."""
    watched.ledger.at(Moment("before", "looked", "shadow"), die)
    with pytest.raises(ProcessDied):
        watched.release()
    watched.telemetry.down = True
    soak()
    assert alerts(watched) == []


# ── Risk is judged anew ─────────────────────────────────────────────────────────────────────


def test_an_old_risk_review_is_asked_for_once_with_what_has_changed(
    watched: MemoryWorld,
) -> None:
    """Six months in service: the owner gets one packet; a review ends it until the next."""
    rerisk()
    assert watched.notifier.sent == []
    watched.every = timedelta(days=30)
    live(watched, 184)
    note(
        watched.ledger, "kill", {"reason": "smoke"}, at=watched.clock.now(MODEL), actor="ada",
        model=MODEL,
    )  # fmt: skip
    rerisk()
    rerisk()
    (told,) = watched.notifier.sent
    assert (told.kind, told.to) == ("review", ("score team",))
    assert "the policy asks every 6 months" in told.body
    assert ("Kills", "1") in told.facts
    due = watched.ledger.entries()[-1]
    assert due.kind == "risk_review_due"
    packet = (watched.home.path / due.payload["packet"]).read_text()
    assert "killed: smoke" in packet and "No incident was opened." in packet

    note(
        watched.ledger, "risk_reviewed", {"reason": "as before"}, at=watched.clock.now(MODEL),
        actor="ada", model=MODEL,
    )  # fmt: skip
    rerisk()
    assert len(watched.notifier.sent) == 1
    live(watched, 184)
    rerisk()
    assert "Last reviewed on" in watched.notifier.sent[1].body


@pytest.mark.parametrize(
    ("errors", "rows", "finding"),
    [(0, 100, Finding.SAFE), (1, 100, Finding.HARMFUL), (0, 0, Finding.NOT_ENOUGH_EVIDENCE)],
)
def test_a_rollback_target_that_does_not_answer_ends_staging(
    errors: int, rows: int, finding: Finding
) -> None:
    """One sample row that the champion fails is enough, and no row shows nothing."""
    probe = Probe(
        scores=(), features=None, latency_ms=(), errors=errors, memory_mb=None, digest="sha256:0"
    )
    evidence = check_fallback.fn(probe, rows)
    verdict = judge(RULES, RULES.steps()[0], [evidence])
    assert [each.finding for each in verdict.judged] == [finding]
    assert (verdict.decision is Decision.PASS) is (finding is Finding.SAFE)
