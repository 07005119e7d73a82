"""What the control service does to the switch, and what it leaves on the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployments.control.journal import Journal, journal_of
from policies.errors import RefusedError, SeatrialError
from policies.vocabulary import TrafficPlan
from tasks.connections import World
from tasks.traffic.document import refuse_stale


@dataclass(frozen=True)
class Done:
    plan: TrafficPlan
    killed_to: str | None
    unrecorded: str | None  # why the ledger does not have it


def route(world: World, plan: TrafficPlan, actor: str, after: int | None = None) -> Done:
    """Publish a plan by hand: recorded first, so it is refused while the ledger is away.

    While a release of the model is live its traffic is the release's to move; files in
    quarantine go into no plan. With ``after``, only while that revision is the published one:
    an old request that is sent again moves nothing.
    """
    from tasks.ledger.record import live_releases, refuse_quarantined

    for variant in (plan.champion, plan.candidate, plan.previous):
        if variant is not None:
            refuse_quarantined(world.ledger, variant)
    if live := live_releases(world.ledger, plan.model):
        raise RefusedError(
            f"Release {live[0].release_id} moves the traffic of {plan.model}.",
            advice=f"End it first: seatrial rollback {live[0].release_id} --reason WHY. Or take "
            f"the model itself out of service: seatrial kill {plan.model} --reason WHY",
        )
    if (current := _held(world, plan)) is not None:
        return Done(current, None, None)
    _refuse_stale(world, plan.model, after)
    _note(world, "routed", plan.model, actor, {"plan": plan.model_dump(mode="json")})
    return Done(world.router.apply(plan, after=after), None, None)


def kill(
    world: World,
    model: str,
    to: str | None,
    reason: str,
    actor: str,
    *,
    confirm: Callable[[], None] = lambda: None,
) -> Done:
    """The journal, then traffic; then one attempt at the ledger, whose failure is told.

    ``confirm`` runs before the last: a ledger that is slow must not delay what the caller sees.
    What it does not take now the control service records later, from the journal.
    """
    journal = journal_of(world)
    id_ = journal.asked("kill", model, actor, reason, _now(world, model))
    with _closed_if_refused(journal, id_):
        plan = world.router.kill(model, to, reason, actor)
    target = world.router.killed_to(model)
    payload = {"model": model, "to": target, "reason": reason}
    journal.moved(id_, payload)
    confirm()
    return Done(plan, target, _try_to_note(world, journal, id_, "kill", actor, payload))


def restore(world: World, model: str, reason: str, actor: str, after: int | None = None) -> Done:
    """Lift a kill; with ``after``, only the one that was published as this revision."""
    journal = journal_of(world)
    id_ = journal.asked("restore", model, actor, reason, _now(world, model))
    with _closed_if_refused(journal, id_):
        plan = world.router.restore(model, actor, after=after)
    payload = {"model": model, "reason": reason}
    journal.moved(id_, payload)
    return Done(plan, None, _try_to_note(world, journal, id_, "restore", actor, payload))


@contextmanager
def _closed_if_refused(journal: Journal, id_: str) -> Iterator[None]:
    """What moved nothing is not put on the record later."""
    try:
        yield
    except SeatrialError:
        journal.recorded(id_)
        raise


def _now(world: World, model: str) -> datetime:
    """A clock that cannot be read does not stop a kill."""
    try:
        return world.clock.now(model)
    except SeatrialError:
        return datetime.now(UTC)


def _held(world: World, plan: TrafficPlan) -> TrafficPlan | None:
    """The published plan when it is this one already: the same request sent again."""
    current = world.router.current(plan.model)
    if current is None or world.router.killed_to(plan.model) is not None:
        return None
    return current if current == plan.model_copy(update={"revision": current.revision}) else None


def _refuse_stale(world: World, model: str, after: int | None) -> None:
    """Before anything is recorded; ``apply`` asks once more under the writers' lock."""
    if after is not None:
        current = world.router.current(model)
        refuse_stale(model, 0 if current is None else current.revision, after)


def _try_to_note(
    world: World, journal: Journal, id_: str, kind: str, actor: str, payload: dict[str, Any]
) -> str | None:
    try:
        _note(world, kind, payload["model"], actor, payload | {"journal": id_})
    except SeatrialError as error:
        return str(error)
    journal.recorded(id_)
    return None


def _note(world: World, kind: str, model: str, actor: str, payload: dict[str, Any]) -> None:
    from tasks.ledger.record import live_releases, note

    live = live_releases(world.ledger, model)
    release_id = live[0].release_id if live else None
    now = world.clock.now(model)
    note(world.ledger, kind, payload, at=now, actor=actor, model=model, release_id=release_id)
