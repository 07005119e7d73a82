"""``seatrial approve``: read the packet, sign it with your own key, and have it counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, say, show
from deployments.control.breakers import wake_run
from policies.errors import RefusedError, UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import ApprovalRequest, SignOff
from tasks.connections import World
from tasks.ledger.record import live_releases, note, recall

WAIT_FOR_SUSPENSION_SECONDS = 20.0


def register(app: typer.Typer) -> None:
    app.command()(approve)


def approve(
    request: Annotated[str, typer.Argument(help="The request's id, or a release's.")],
    person: Annotated[str, typer.Option("--as", help="Your name in the directory of people.")],
    role: Annotated[str, typer.Option(help="The role you sign in.")],
    key: Annotated[Path, typer.Option(help="Your OpenSSH private key (Ed25519).")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse instead of approving.")] = False,
    comment: Annotated[str, typer.Option(help="A sentence for the record.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask after showing the packet.")
    ] = False,
    blob: Annotated[
        bool, typer.Option("--print", help="Print the signed decision for the Prefect form only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is asked, sign exactly that, and count it."""
    from tasks.documents.packet import approval_packet

    world = here()
    state = release_asking(world, request)
    asked = state.request
    if asked is None:
        raise RefusedError(
            f"Release {state.release_id} asks for no sign-off now.",
            advice=f"See `seatrial why {state.release_id}`.",
        )
    if not yes:
        say(approval_packet(asked, world.ledger.entries(release_id=state.release_id)))
        typer.confirm(f"{'Refuse' if refuse else 'Approve'} this as {person} ({role})?", abort=True)
    vote = signed(world, asked, person, role, key, refuse=refuse, comment=comment)
    if blob:
        typer.echo(vote.model_dump_json())
        return
    cast(world, state, vote)
    word = "refused" if refuse else "approved"
    text = f"{person} ({role}) {word} {asked.request_id}. The release goes on by itself."
    show(vote.plain(), text, as_json)


def release_asking(world: World, wanted: str) -> Release:
    """The live release that asks under this request id or has this release id."""
    for state in live_releases(world.ledger):
        if state.release_id == wanted or (state.request and state.request.request_id == wanted):
            return state
    raise RefusedError(
        f"No live release asks under {wanted}.", advice="`seatrial status` shows open requests."
    )


def signed(
    world: World,
    request: ApprovalRequest,
    person: str,
    role: str,
    key: Path,
    *,
    refuse: bool = False,
    comment: str = "",
) -> SignOff:
    """Sign and verify at once, so that a wrong key or role is told here and not later."""
    from tasks.approval.sign_off import check, sign

    try:
        private_key = key.read_bytes()
    except OSError as error:
        raise RefusedError(
            f"The key {key} cannot be read.", advice="Name your private key with --key."
        ) from error
    vote = sign(
        request,
        private_key,
        person=person,
        role=role,
        decision="refuse" if refuse else "approve",
        comment=comment,
    )
    return check(vote, request, world.directory, world.clock.now(request.model))


def cast(world: World, state: Release, vote: SignOff) -> None:
    """Put the vote on the ledger and wake the run once it is suspended.

    A vote counts from the moment it is on the ledger, whether or not Prefect answers.
    """
    note(
        world.ledger,
        "vote",
        {"sign_off": vote.plain()},
        at=world.clock.now(state.model),
        actor=vote.person,
        release_id=state.release_id,
        model=state.model,
    )
    try:
        _wake_when_suspended(world, state)
    except UnavailableError as error:
        say(f"The vote is recorded. The release goes on when Prefect is back: {error.message}")


def _wake_when_suspended(world: World, state: Release) -> None:
    deadline = time.monotonic() + WAIT_FOR_SUSPENSION_SECONDS
    while time.monotonic() < deadline:
        now = recall(world.ledger, state.release_id)
        run = world.orchestrator.run(now.run_id) if now.run_id else None
        if now.request is None or not now.is_live or run is None:
            return
        if run.state == "PAUSED":
            wake_run(world, now)
            return
        time.sleep(0.5)
