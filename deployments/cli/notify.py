"""``seatrial notify``: whether messages reach people, before one has to."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, say, show, table
from deployments.cli.releasing import Actor, me
from policies.errors import SeatrialError
from policies.loader import CATALOG, files, load
from tasks.connections import World
from tasks.notify.alarm import trial
from tasks.notify.layout import mention

app = typer.Typer(help="Whether messages reach people.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Whether messages reach people."""


@app.command()
def test(actor: Actor = "", as_json: AsJson = False) -> None:
    """Send a test message, say where it arrived, and who of the policies would be called.

    Slack needs SLACK_BOT_TOKEN (chat:write) and SLACK_CHANNEL; whom a policy's words mean stands
    in the home's slack-people.json. SLACK_API_URL names a proxy, by https or on this machine.
    """
    world = here()
    message = trial(actor or me(), datetime.now(UTC))
    notifier = world.slack or world.notifier  # a refusal is told here, not put aside
    where = notifier.send(message)
    called = _called(world)
    waiting = len(world.messages_waiting())
    data = {"where": where, "called": dict(called), "waiting": waiting}
    head = f"The test message arrived: {_place(world, where)}."
    show(data, head, as_json)
    if not as_json:
        show(data, table("Who would be called", ("in the policies", "in Slack"), called), False)
    if world.slack is None:
        say("No SLACK_BOT_TOKEN is set: nobody is called, messages only lie in the outbox.")
    elif any(not found.startswith(("@", "<")) for _, found in called):
        say(f"What to do: name ids (U… or S…) in {world.home.path / 'slack-people.json'}.")
    if waiting:
        say(f"{waiting} message(s) wait to be delivered; the watcher tries every minute.")


def _place(world: World, where: str) -> str:
    kind, _, rest = where.partition(":")
    if kind == "slack":
        channel, _, stamp = rest.partition("/")
        return f"in Slack, channel {channel}, message {stamp}"
    return f"in the folder {world.home.path / kind}, file {rest}"


def _called(world: World) -> list[tuple[str, str]]:
    """Every on-call and owner of the policies, and what Slack would make of the name."""
    known = world.home.slack_people()
    return [
        (name, mention(known.get(name, "")) or "plain words: nobody is called")
        for name in sorted(_names(world))
    ]


def _names(world: World) -> set[str]:
    catalogs = [CATALOG]
    with suppress(SeatrialError):  # before the first `seatrial up` there is no own catalogue
        catalogs += [Path(own)] if (own := world.settings.catalog) else []
    rules = [load(path).policy for folder in catalogs for path in files(folder)]
    return {name for rule in rules for name in (rule.incident.on_call, rule.owner)}
