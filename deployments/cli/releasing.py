"""``seatrial adopt``, ``release`` and ``rollback``."""

from __future__ import annotations

import getpass
from functools import partial
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, Model, say, show
from deployments.control.breakers import wake_run
from policies.errors import RefusedError, SeatrialError
from policies.lifecycle import Release
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.approval.involved import refuse_unknown_people
from tasks.connections import World
from tasks.gate.choosing import policy_of
from tasks.ledger.record import known, live_releases, note, quarantined, refuse_quarantined
from tasks.traffic.moving import contain, move_traffic, plan_without_candidate

Actor = Annotated[str, typer.Option("--as", help="Your name in the directory of people.")]
RELEASE_DEPLOYMENT = "release/release"


def register(app: typer.Typer) -> None:
    app.command()(adopt)
    app.command()(release)
    app.command()(rollback)
    app.command()(lift)


def me() -> str:
    return getpass.getuser()


def adopt(
    model: Model,
    version: Annotated[str | None, typer.Argument(help="The version that serves today.")] = None,
    rule: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="A baseline rule instead: always answer this."),
    ] = None,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Put what serves today behind the switch, as the champion that releases are compared with."""
    if (version is None) == (rule is None):
        raise typer.BadParameter("name a version, or a --rule, and not both")
    plan = adopt_champion(here(), model, version, rule, actor or me())
    what = f"v{version}" if version else f"the rule {rule:g}"
    show(plan.plain(), f"{model} is served by {what}, revision {plan.revision}.", as_json)


def adopt_champion(
    world: World, model: str, version: str | None, rule: float | None, actor: str
) -> TrafficPlan:
    """Fetch, record, switch, observe, alias, record. Refused while a release is live.

    The intent comes first: while the ledger cannot be written, nothing is switched.
    """
    if live_releases(world.ledger, model):
        raise RefusedError(
            f"A release of {model} is live.", advice="Wait for it, or roll it back, first."
        )
    champion = None
    if version is not None:
        artefact = world.registry.fetch(ModelRef(model=model, version=version))
        champion = TrafficVariant(ref=artefact.ref, digest=artefact.digest)
        refuse_quarantined(world.ledger, champion)
    before = world.router.current(model)
    previous = before.champion if before is not None else None
    plan = TrafficPlan(model=model, champion=champion, previous=previous, baseline=rule)
    if before is not None:  # the order of its last release's policy
        plan = plan.model_copy(update={"fallback": before.fallback})
    payload = {
        "model": model,
        "version": version or "rule",
        "digest": champion.digest if champion else None,
        "baseline": rule,
    }
    record = partial(note, world.ledger, payload=payload, actor=actor, model=model)
    record("adopting", at=world.clock.now(model))
    moved = move_traffic(world.router, world.serving, plan)
    if champion is not None:
        world.registry.set_alias(champion.ref, "champion")
    record("adopted", at=world.clock.now(model))
    return moved.plan


def release(
    model: Model,
    version: Annotated[str, typer.Argument(help="The registered version to release.")],
    policy: Annotated[str | None, typer.Option(help="Policy; else the one that names it.")] = None,
    requester: Actor = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell the plan and what is missing; begin nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Launch the release of a registered version. Refused at once when it cannot begin."""
    world = here()
    if dry_run:
        tell_plan(world, model, version, policy, requester or me(), as_json)
        return
    check_it_can_begin(world, model, version, policy, requester or me())
    parameters = {
        "model": model,
        "version": version,
        "requester": requester or me(),
        "policy": policy,
    }
    run = world.orchestrator.launch(RELEASE_DEPLOYMENT, parameters)
    release_id = f"rel-{run.run_id[:8]}"
    text = (
        f"Release {release_id} of {model} v{version} is launched.\n"
        f"Watch it: {run.url}\n"
        f"Ask why at any time: seatrial why {release_id}"
    )
    show({"release_id": release_id, "run_id": run.run_id, "url": run.url}, text, as_json)


def tell_plan(
    world: World, model: str, version: str, policy: str | None, requester: str, as_json: bool
) -> None:
    """Exit 1 when something is missing that would stop the release."""
    from deployments.cli import plan_text
    from deployments.cli.planning import plan_release
    from deployments.stack.doctor import worker

    plan = plan_release(world, model, version, policy, requester)
    told = worker(world)
    if not told.well:
        plan.lacking(f"No worker would carry the release out: {told.told}.", told.advice)
    plan_text.tell(plan, as_json)
    if plan.is_stopped:
        raise typer.Exit(1)


def check_it_can_begin(
    world: World, model: str, version: str, policy: str | None, requester: str
) -> None:
    """The refusals that the run would meet in its first seconds, told to whoever launches it."""
    ruling = policy_of(model, policy, world.settings.catalog)
    if (live := live_releases(world.ledger, model)) and live[0].release_id:
        raise RefusedError(
            f"Release {live[0].release_id} of {model} v{live[0].version} is live: one at a time.",
            advice=f"See `seatrial why {live[0].release_id}`, or roll it back.",
        )
    artefact = world.registry.fetch(ModelRef(model=model, version=version))
    if ruling.policy.approvals:
        refuse_unknown_people(world.directory, requester, artefact.trainer)
    serving = world.router.current(model)
    if serving is None:
        raise RefusedError(
            f"Nothing serves {model} yet, so there is nothing to compare with.",
            advice=f"Run `seatrial adopt {model} VERSION` (or --rule) first.",
        )
    world.serving.observe(model)  # without the gateway the run could only wait
    if serving.champion is not None and serving.champion.digest == artefact.digest:
        raise RefusedError(
            f"{artefact.ref} has the same files as the champion ({serving.champion.ref}).",
            advice="Register the version you mean to release.",
        )
    refuse_quarantined(world.ledger, TrafficVariant(ref=artefact.ref, digest=artefact.digest))


def rollback(
    target: Annotated[str, typer.Argument(help="A model or a release.")],
    reason: Annotated[str, typer.Option(help="Why: it goes on the record.")],
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Take the candidate out of traffic now; the release then ends as rolled back."""
    world = here()
    state = live_release_of(world, target)
    # Traffic first, then the record, then the wait for every replica: a silent one must not
    # keep the release from learning that it was stopped.
    if world.router.killed_to(state.model) is None:
        world.router.apply(plan_without_candidate(state))
    _ask_for_rollback(world, state, reason, actor or me())
    wake_run(world, state)
    moved = contain(world.router, world.serving, state)
    text = (
        f"{state.model}: the candidate is out of traffic, as {len(moved.observed)} replica(s) "
        f"report, after {moved.seconds:.2f} s.\nRelease {state.release_id} ends as rolled back."
    )
    data = moved.plan.plain() | {"release_id": state.release_id, "seconds": moved.seconds}
    show(data, text, as_json)


def _ask_for_rollback(world: World, state: Release, reason: str, actor: str) -> None:
    """On the record the release ends; without it, its run would go on when it wakes."""
    where = {"release_id": state.release_id, "model": state.model}
    payload = {"reason": reason}
    try:
        now = world.clock.now(state.model)
        note(world.ledger, "rollback_asked", payload, at=now, actor=actor, **where)
    except SeatrialError as error:
        say(f"The candidate is out of traffic, but the ledger could not record it: {error.message}")
        say("What to do: repair the ledger and repeat the command, else the release goes on.")
        raise typer.Exit(3) from error


def live_release_of(world: World, target: str) -> Release:
    """The live release of a model, or a live release by its id."""
    if target.startswith("rel-"):
        state = known(world.ledger, target)
        if state.is_live:
            return state
        raise RefusedError(f"Release {target} is closed.", advice=f"See `seatrial why {target}`.")
    live = live_releases(world.ledger, target)
    if not live:
        raise RefusedError(
            f"No release of {target} is live.",
            advice="`seatrial kill` takes the model itself out of service.",
        )
    return live[0]


def lift(
    model: str,
    version: str,
    reason: Annotated[str, typer.Option(help="Why: it goes on the record.")],
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Lift the quarantine of a version that was rolled back, so that it may be tried again."""
    world = here()
    digest = world.registry.fetch(ModelRef(model=model, version=version)).digest
    if quarantined(world.ledger, digest) is None:
        raise RefusedError(
            f"{model} v{version} is not quarantined.", advice="It can be released as it is."
        )
    payload = {"digest": digest, "ref": f"{model} v{version}", "reason": reason}
    now = world.clock.now(model)
    note(world.ledger, "quarantine_lifted", payload, at=now, actor=actor or me(), model=model)
    show(payload, f"The quarantine of {model} v{version} is lifted, on the record.", as_json)
