"""Releases that do not begin: nothing is recorded, no traffic moves, and the advice helps."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.control import switch
from policies.errors import LedgerError, PolicyError, RefusedError, SeatrialError
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
