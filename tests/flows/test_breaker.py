"""A circuit breaker opens between two looks: on the record at once, and the release goes back."""

from __future__ import annotations

from deployments.control.breakers import OpenBreakers
from tasks.ledger.record import live_releases
from tests.flows.memory_world import MODEL, Happening, MemoryWorld

CANARY, SHORT = "canary 30 %", "score-short"
WHY = "20 of the last 20 rows had no good answer within 500 ms"


def _open(world: MemoryWorld) -> None:
    world.serving.opened = WHY


def _watched(world: MemoryWorld) -> OpenBreakers:
    return OpenBreakers(world, lambda: live_releases(world.ledger))


def test_an_open_breaker_ends_the_release_before_its_next_look(world: MemoryWorld) -> None:
    """The fact is recorded once however often it is seen; an incident says what it was."""
    watched = _watched(world)

    def happens() -> None:
        _open(world)
        told = watched()
        assert len(told) == 1 and WHY in told[0]
        assert watched() == []  # the release has been stopped: no news

    world.happenings.append(Happening(CANARY, happens))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert told.verdicts(CANARY) == []
    opened = told.one("breaker_opened")
    assert (opened.payload["replica"], opened.payload["why"]) == ("memory", WHY)
    assert told.one("containing").at == opened.at
    assert told.state.message == f"The circuit breaker of memory has opened: {WHY}."
    assert {"quarantined", "incident"} <= set(told.kinds())
    plan = world.router.current(MODEL)
    assert plan is not None and plan.candidate is None


def test_a_look_sees_an_open_breaker_that_nobody_recorded(world: MemoryWorld) -> None:
    """Also without the control service: what serves is asked at every look."""
    world.happenings.append(Happening(CANARY, lambda: _open(world)))
    told = world.release(policy=SHORT)
    assert told.ended == "ROLLED BACK"
    assert told.verdicts(CANARY) == ["ROLL BACK"]
    assert "circuit breaker failed: 1 replicas" in told.state.message
    assert WHY in told.state.message


def test_nobody_asks_about_releases_without_users(world: MemoryWorld) -> None:
    """In the shadow a breaker has nothing to protect, and a silent gateway is not its business."""
    watched, seen = _watched(world), []

    def happens() -> None:
        _open(world)
        seen.append(watched())
        world.serving.opened = None

    world.happenings.append(Happening("shadow", happens))
    world.happenings.append(Happening(CANARY, lambda: _silent(world, seen, watched)))
    assert world.release(policy=SHORT).ended == "RELEASED"
    assert seen == [[], []]


def _silent(world: MemoryWorld, seen: list[object], watched: OpenBreakers) -> None:
    world.serving.fail = True
    seen.append(watched())
    world.serving.fail = False
