"""``seatrial docs``: a release's page and documents, written anew from the ledger alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, show
from policies.errors import SeatrialError
from tasks.connections import World
from tasks.documents.page.next_steps import Addresses
from tasks.ledger.record import known


def register(app: typer.Typer) -> None:
    app.command()(docs)


def docs(
    release_id: Annotated[str, typer.Argument(help="The release's id, from `seatrial status`.")],
    to: Annotated[
        Path | None, typer.Option(help="Another folder than the home's, for instance to hand over.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a release's page, model card, deployment record and evidence, from the ledger alone."""
    from tasks.documents.writing import write_evidence, write_page, write_records

    world = here()
    known(world.ledger, release_id)
    entries = world.ledger.entries(release_id=release_id)
    folder = (to or world.home.path / "documents" / release_id).resolve()
    kinds = write_records(entries, folder)
    page = write_page(entries, folder, _addresses(world))
    written = {"page": str(page)} | {kind: str(folder / f"{kind}.md") for kind in kinds}
    written["evidence"] = str(write_evidence(entries, folder))
    text = "\n".join(f"{name.replace('_', ' '):18} {path}" for name, path in written.items())
    show({"release_id": release_id, **written}, text, as_json)
    if open_page:
        typer.launch(page.as_uri())


def _addresses(world: World) -> Addresses:
    """A ledger can be read where nothing was ever started: then nothing running is linked."""
    try:
        settings = world.settings
    except SeatrialError:
        return Addresses()
    return Addresses(prefect_ui=settings.prefect_ui, mlflow=settings.mlflow_uri)
