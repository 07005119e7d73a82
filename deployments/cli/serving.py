"""``seatrial kill`` and ``restore``: the switch by hand. Neither needs Prefect or MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, Model, say, show, table
from deployments.cli.releasing import Actor, me
from deployments.control import switch
from policies.errors import SeatrialError
from policies.vocabulary import Serving
from tasks.connections import World

CONFIRM_SECONDS = 5.0  # a kill waits for nothing to load
RESTORE_SECONDS = 30.0  # the champion may have to be loaded first


def register(app: typer.Typer) -> None:
    app.command()(kill)
    app.command()(restore)


def kill(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why: it goes on the record.")],
    to: Annotated[
        str | None, typer.Option(help="previous, baseline, degraded, error; else by policy.")
    ] = None,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Take a model out of service now. Works on the switch alone; the record follows."""
    world, who = here(), actor or me()
    start = time.monotonic()
    observed: list[Serving] = []
    agreed, seconds = False, 0.0

    def confirm() -> None:
        nonlocal observed, agreed, seconds
        observed, agreed = _confirm(world, model, lambda replica: replica.killed_to is not None)
        seconds = time.monotonic() - start
        if agreed:
            say(f"{model} is out of service after {seconds:.2f} s.")

    done = switch.kill(world, model, to, reason, who, confirm=confirm)
    data: dict[str, object] = {
        "model": model,
        "to": done.killed_to,
        "seconds": seconds,
        "revision": done.plan.revision,
    }
    data["observed"] = [item.plain() for item in observed]
    head = f"{model} is killed: {done.killed_to} answers. {seconds:.2f} s."
    _report(data, head, observed, agreed, done.unrecorded, as_json)


def restore(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why: it goes on the record.")],
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Lift a kill: the champion serves again. A trial returns only by its release."""
    world, who = here(), actor or me()
    done = switch.restore(world, model, reason, who)
    observed, agreed = _confirm(
        world, model, lambda replica: replica.killed_to is None, RESTORE_SECONDS
    )
    data: dict[str, object] = {
        "model": model,
        "revision": done.plan.revision,
        "observed": [item.plain() for item in observed],
    }
    _report(
        data,
        f"{model} is served by its champion again.",
        observed,
        agreed,
        done.unrecorded,
        as_json,
    )


def _confirm(
    world: World,
    model: str,
    done: Callable[[Serving], bool],
    patience_seconds: float = CONFIRM_SECONDS,
) -> tuple[list[Serving], bool]:
    """What every replica reports, once they agree or the time is up."""
    deadline = time.monotonic() + patience_seconds
    observed: list[Serving] = []
    while time.monotonic() < deadline:
        try:
            observed = list(world.serving.observe(model))
            if observed and all(done(item) for item in observed):
                return observed, True
        except SeatrialError:
            observed = []
        time.sleep(0.02)
    return observed, False


def _report(
    data: dict[str, object],
    head: str,
    observed: list[Serving],
    agreed: bool,
    unrecorded: str | None,
    as_json: bool,
) -> None:
    rows = [
        (item.replica, item.revision, item.killed_to or "the plan", item.error or "")
        for item in observed
    ]
    if unrecorded is not None:
        say(f"The switch has moved, but the ledger could not record it: {unrecorded}")
        say("What to do: repair the ledger. The control service records it then, from the journal.")
    show(data, table(head, ("replica", "revision", "served by", "error"), rows), as_json)
    if not agreed:
        say(f"The switch has moved, but {len(observed)} replica(s) answered and not all agree.")
        say("What to do: run `seatrial doctor`; run this command again to check.")
        raise typer.Exit(3)
