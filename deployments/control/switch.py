"""What the control service does to the switch, and what it leaves on the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policies.errors import RefusedError, SeatrialError
from policies.vocabulary import TrafficPlan
from tasks.connections import World


@dataclass(frozen=True)
class Done:
    plan: TrafficPlan
    killed_to: str | None
    unrecorded: str | None  # why the ledger does not have it


def route(world: World, plan: TrafficPlan, actor: str) -> Done:
    """Publish a plan by hand: recorded first, so it is refused while the ledger is away.

    While a release of the model is live its traffic is the release's to move; files in
    quarantine go into no plan.
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
    _note(world, "routed", plan.model, actor, {"plan": plan.model_dump(mode="json")})
    return Done(world.router.apply(plan), None, None)


def kill(
    world: World,
    model: str,
    to: str | None,
    reason: str,
    actor: str,
    *,
    confirm: Callable[[], None] = lambda: None,
) -> Done:
    """Traffic first; then one attempt at the ledger, whose failure is told and nothing more.

    ``confirm`` runs in between: a ledger that is slow must not delay what the caller sees.
    """
    plan = world.router.kill(model, to, reason, actor)
    target = world.router.killed_to(model)
    confirm()
    payload = {"model": model, "to": target, "reason": reason}
    return Done(plan, target, _try_to_note(world, "kill", model, actor, payload))


def restore(world: World, model: str, reason: str, actor: str) -> Done:
    plan = world.router.restore(model, actor)
    payload = {"model": model, "reason": reason}
    return Done(plan, None, _try_to_note(world, "restore", model, actor, payload))


def _try_to_note(
    world: World, kind: str, model: str, actor: str, payload: dict[str, Any]
) -> str | None:
    try:
        _note(world, kind, model, actor, payload)
    except SeatrialError as error:
        return str(error)
    return None


def _note(world: World, kind: str, model: str, actor: str, payload: dict[str, Any]) -> None:
    from tasks.ledger.record import live_releases, note

    live = live_releases(world.ledger, model)
    release_id = live[0].release_id if live else None
    now = world.clock.now(model)
    note(world.ledger, kind, payload, at=now, actor=actor, model=model, release_id=release_id)
