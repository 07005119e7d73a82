"""``seatrial review``: a model's risk was judged anew, on the record."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, Model, show
from deployments.cli.releasing import Actor, me
from policies.errors import RefusedError, SeatrialError
from policies.rerisk import last_review, months_after
from tasks.connections import World
from tasks.gate.choosing import policy_today
from tasks.ledger.record import Expected, champions, note


def register(app: typer.Typer) -> None:
    app.command()(review)


def review(
    model: Model,
    reason: Annotated[str, typer.Option(help="What was decided, and why: it goes on the record.")],
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Record that a model's risk was reviewed. Ends what the monthly re-risk asked for."""
    world = here()
    served = next((each for each in champions(world.ledger) if each.model == model), None)
    if served is None:
        raise RefusedError(
            f"{model} has never been in service here.",
            advice="`seatrial status` lists the models; adopt it first.",
        )
    if not reason.strip():
        raise RefusedError("A review needs its reason.", advice="Say what was decided, and why.")
    now = world.clock.now(model)
    before = last_review(world.ledger.entries(model=model))
    payload = {"reason": reason, "since": before.at.isoformat() if before else None}
    who = actor or me()
    note(
        world.ledger,
        "risk_reviewed",
        payload,
        at=now,
        actor=who,
        release_id=served.release_id,
        model=model,
    )
    due, then = _next(world, served, now)
    data = {"model": model, "by": who, "reason": reason, "next_due": due and due.isoformat()}
    show(data, f"The risk of {model} is reviewed by {who}, on the record. {then}", as_json)


def _next(world: World, served: Expected, now: datetime) -> tuple[datetime | None, str]:
    """When the policy that watches the model today asks again, as a date and in words."""
    try:
        ruling = policy_today(served.model, served.policy, world.settings.catalog)
    except SeatrialError as error:
        return None, f"When the next is due cannot be said: {error}"
    months = ruling.policy.rerisk_months
    if months is None:
        return None, f"The policy {ruling.policy.policy} asks for no other."
    due = months_after(now, months)
    return due, f"The next review is due on {due:%Y-%m-%d}."
