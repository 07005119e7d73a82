"""What somebody who has read the page does next: commands to type, pages to open."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from urllib.parse import quote as in_address

from policies.lifecycle import Release
from policies.vocabulary import Entry, Outcome, Value

FILES = (  # in the page's own folder, when they are there
    ("model_card.md", "Model card"),
    ("deployment_record.md", "Deployment record"),
    ("drift.html", "Drift of the staging sample"),
    ("post_mortem.md", "Post-mortem, a draft"),
)


class Addresses(Value):
    """Where the other parts of a home listen, as far as anybody knows."""

    prefect_ui: str = ""
    mlflow: str = ""


class Command(Value):
    does: str
    typed: str


class Link(Value):
    text: str
    address: str
    note: str = ""


def commands(state: Release, entries: Sequence[Entry]) -> tuple[Command, ...]:
    """The most urgent first; a release that is closed can be read, and its files cleared."""
    release, model = quote(state.release_id), quote(state.model)
    found: list[Command] = []
    if state.request is not None:
        asked = quote(state.request.request_id)
        found += [
            Command(
                does=f"Read the evidence and sign as {role}",
                typed=f"seatrial approve {asked} --as NAME --role {quote(role)} --key KEY",
            )
            for role in sorted(state.request.roles)
        ]
    if state.is_live:
        stop = f"seatrial rollback {release} --reason WHY"
        found.append(Command(does="Stop it: traffic back to the champion", typed=stop))
    found.append(
        Command(does="Who decided what, on which evidence", typed=f"seatrial why {release}")
    )
    if state.closing is not None and state.closing.outcome is Outcome.RELEASED:
        kill = f"seatrial kill {model} --reason WHY"
        found.append(Command(does="It misbehaves: out of service now", typed=kill))
    if any(entry.kind == "quarantined" for entry in entries):
        lift = f"seatrial lift {model} {quote(state.version)} --reason WHY"
        found.append(Command(does="Let its files be tried again", typed=lift))
    found.append(
        Command(does="Verify the ledger behind this page", typed="seatrial doctor"),
    )
    found.append(Command(does="Write this page anew", typed=f"seatrial docs {release}"))
    return tuple(found)


def links(state: Release, beside: Sequence[str], addresses: Addresses) -> tuple[Link, ...]:
    """Files beside the page, by their names alone; then what must be running to be opened."""
    found = [Link(text=text, address=name) for name, text in FILES if name in beside]
    running = "opens while the stack is up"
    if _is_web(addresses.prefect_ui) and state.run_id:
        run = f"{addresses.prefect_ui}/runs/flow-run/{in_address(state.run_id, safe='')}"
        found.append(Link(text="The run in Prefect", address=run, note=running))
    if _is_web(addresses.mlflow):
        model, version = in_address(state.model, safe=""), in_address(state.version, safe="")
        version_page = f"{addresses.mlflow}/#/models/{model}/versions/{version}"
        found.append(Link(text="The version in MLflow", address=version_page, note=running))
    return tuple(found)


def _is_web(address: str) -> bool:
    """Nothing but a web address becomes a link: `javascript:` is one too."""
    return address.startswith(("http://", "https://"))
