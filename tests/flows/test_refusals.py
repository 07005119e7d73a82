"""Releases that do not begin: nothing is recorded, no traffic moves, and the advice helps."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from deployments.cli.releasing import adopt_champion
from deployments.control import switch
from policies.errors import LedgerError, PolicyError, RefusedError, SeatrialError
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.ledger.record import note
from tests.flows.memory_world import MODEL, MemoryWorld, Moment, ProcessDied, die

CASES: list[tuple[dict[str, Any], type[SeatrialError], str, str]] = [
    ({"version": "1"}, RefusedError, "same files as the champion", "Register the version"),
    ({"version": "9"}, RefusedError, "is not registered", "Check the name and version"),
    ({"model": "nobody", "policy": None}, PolicyError, "No policy", "name a policy"),
    ({"model": "nobody", "policy": "score"}, RefusedError, "not registered", "Check the name"),
    ({"policy": "scroe"}, PolicyError, "no policy", "score"),
]


@pytest.mark.parametrize(("asked", "kind", "what", "advice"), CASES, ids=[c[2] for c in CASES])
def test_what_cannot_begin_is_refused(
    asked: dict[str, Any], kind: type[SeatrialError], what: str, advice: str, world: MemoryWorld
) -> None:
    """The champion under another name, an unknown model, version or policy."""
    _refused(world, asked, kind, what, advice)


def test_a_model_that_nothing_serves_is_not_released(empty_world: MemoryWorld) -> None:
    """There would be nothing to compare with."""
    _refused(empty_world, {"version": "1"}, RefusedError, "Nothing serves score", "seatrial adopt")


def test_a_model_out_of_service_is_not_released(world: MemoryWorld) -> None:
    """A kill outranks every plan, so the release could not take a single step."""
    switch.kill(world, MODEL, None, "smoke", "ada")
    _refused(world, {}, RefusedError, "is out of service", "seatrial restore score")


def test_one_release_of_a_model_at_a_time(world: MemoryWorld) -> None:
    """The second one is refused, and the first goes on as if nobody had asked."""
    world.register("3", slope=1.5)
    world.ledger.at(Moment("before", "looked", "shadow"), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    first = world.ledger.entries()[-1].release_id
    assert first is not None
    lease, still_open = world.ledger.lease_of(first), f"{first} of score is still open"
    _refused(world, {"version": "3"}, LedgerError, still_open, "seatrial why")
    assert world.ledger.lease_of(first) == lease
    assert world.release(release_id=first).ended == "RELEASED"


@pytest.mark.parametrize("wrong", ["rel-x", "rel-../../etc", "5109a1e0"])
def test_an_id_that_no_release_can_have_is_refused(world: MemoryWorld, wrong: str) -> None:
    """It becomes the name of a folder and a column of every line of telemetry."""
    entries = list(world.ledger.entries())
    with pytest.raises(ParameterTypeError, match="release_id"):
        world.try_release(release_id=wrong).result()
    assert world.ledger.entries() == entries


def test_a_run_takes_over_no_other_release(world: MemoryWorld) -> None:
    """Version 3 does not go on where version 2 stands."""
    world.register("3", slope=1.5)
    world.ledger.at(Moment("before", "looked", "shadow"), die)
    with pytest.raises(ProcessDied):
        world.release(policy="score-short")
    first = world.ledger.entries()[-1].release_id
    asked = {"version": "3", "release_id": first}
    _refused(world, asked, RefusedError, "is of score v2, not of score v3", "seatrial status")


def test_what_is_quarantined_serves_nobody(world: MemoryWorld) -> None:
    """Neither by a release nor by hand, until somebody has looked into it."""
    digest = world.digest("2")
    where: dict[str, Any] = {"at": world.clock.now(MODEL), "actor": "ann", "model": MODEL}
    note(world.ledger, "quarantined", {"digest": digest, "reason": "looked odd"}, **where)
    plan = TrafficPlan(
        model=MODEL,
        champion=TrafficVariant(ref=ModelRef(model=MODEL, version="2"), digest=digest),
    )
    before = (list(world.ledger.entries()), world.plan)
    with pytest.raises(RefusedError, match="quarantined: looked odd") as refused:
        adopt_champion(world, MODEL, "2", None, "ann")
    assert "seatrial lift score 2" in refused.value.advice
    with pytest.raises(RefusedError, match="quarantined: looked odd"):
        switch.route(world, plan, "ann")
    assert (list(world.ledger.entries()), world.plan) == before


def _refused(
    world: MemoryWorld,
    asked: dict[str, Any],
    kind: type[SeatrialError],
    what: str,
    advice: str,
) -> None:
    entries, plan = list(world.ledger.entries()), world.router.current(MODEL)
    told = len(world.notifier.sent)
    state = world.try_release(**asked)
    assert state.is_failed()
    with pytest.raises(kind, match=f"(?i){what}") as refused:
        state.result()
    assert advice in refused.value.advice
    assert world.ledger.entries() == entries
    assert world.router.current(MODEL) == plan
    assert len(world.notifier.sent) == told
