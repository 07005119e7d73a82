"""What serves is what was released, and what would be fallen back to answers."""

from __future__ import annotations

import pytest

from flows.soak import soak
from policies import loader
from policies.verdict import judge
from policies.vocabulary import Decision, Finding, ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic.ports import Probe
from tasks.traffic.task import check_fallback
from tests.flows.memory_world import CATALOG, MODEL, MemoryWorld

RULES = loader.find("score", (CATALOG, loader.CATALOG)).policy


def test_a_champion_that_serves_as_recorded_is_left_alone(world: MemoryWorld) -> None:
    """Nothing is written about what is well, however often it is looked at."""
    before = world.ledger.entries()
    soak()
    soak()
    assert world.ledger.entries() == before
    assert world.notifier.sent == []


def test_another_version_behind_the_switch_is_told_once(world: MemoryWorld) -> None:
    """Somebody moved the switch past the record: one alert, one page, and no act."""
    other = TrafficVariant(ref=ModelRef(model=MODEL, version="2"), digest=world.digest("2"))
    moved = world.router.apply(TrafficPlan(model=MODEL, champion=other))
    soak()
    soak()
    assert [e.kind for e in world.ledger.entries()].count("alert") == 1
    (page,) = world.notifier.sent
    assert (page.kind, page.title) == ("page", f"{MODEL} does not serve what was released")
    assert world.plan == moved


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
