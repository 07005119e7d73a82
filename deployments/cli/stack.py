"""``seatrial up``, ``down`` and ``doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, say, show, table
from tasks.connections import current


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(doctor)


def up(
    gateways: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Serving processes behind one address (as last time)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start Prefect, MLflow, the control service, the gateway and a worker; print where they are.

    May be called twice: what runs already is left alone.
    """
    from deployments.stack.world import up as bring_up

    settings = bring_up(current().home.path, say, gateways=gateways)
    rows = [
        ("Prefect UI", settings.prefect_ui),
        ("MLflow", settings.mlflow_uri),
        ("gateway", settings.gateway_url),
        ("  its processes", ", ".join(settings.gateway_urls)),
        ("control service", settings.control_url),
        ("home", str(current().home.path)),
    ]
    show(
        settings.model_dump(mode="json"), table("Seatrial is up", ("part", "where"), rows), as_json
    )


def down(as_json: AsJson = False) -> None:
    """Stop exactly what `seatrial up` started here, and prove it dead."""
    from deployments.stack.world import down as take_down

    stopped, alive = take_down(current().home.path)
    text = f"Stopped and gone: {', '.join(stopped)}." if stopped else "Nothing was running."
    if alive:
        text += f" STILL ALIVE: {', '.join(alive)}."
    show({"stopped": stopped, "alive": alive}, text, as_json)
    if alive:
        raise typer.Exit(1)


def doctor(
    model: Annotated[str | None, typer.Argument(help="With --telemetry: this model alone.")] = None,
    telemetry: Annotated[
        bool, typer.Option("--telemetry", help="Look at predictions, labels and metrics instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every part and say what to do about what is not well."""
    if telemetry:
        _doctor_of_telemetry(model, as_json)
        return
    if model is not None:
        raise typer.BadParameter("name a model with --telemetry only")
    from deployments.stack.doctor import examine

    found = examine(here())
    rows = [
        (item.part, "well" if item.well else "NOT WELL", item.told, item.advice) for item in found
    ]
    data = [item.plain() for item in found]
    show(data, table("Health", ("part", "state", "what was seen", "what to do"), rows), as_json)
    if not all(item.well for item in found):
        raise typer.Exit(1)


def _doctor_of_telemetry(model: str | None, as_json: bool) -> None:
    from deployments.stack.telemetry import examine

    found = examine(here(), model)
    data = {name: [item.plain() for item in items] for name, items in found.items()}
    columns = ("part", "state", "what was seen", "what to do")
    if as_json:
        show(data, "", as_json)
    for name, items in found.items() if not as_json else ():
        rows = [(i.part, "well" if i.well else "NOT WELL", i.told, i.advice) for i in items]
        show(data, table(name, columns, rows), as_json)
    if not all(item.well for items in found.values() for item in items):
        raise typer.Exit(1)
