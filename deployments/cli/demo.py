"""``seatrial demo``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from deployments.cli.output import AsJson, say, show, table
from deployments.demo.scenarios import ALL, DEFAULT, SCENARIOS, SEED
from tasks.connections import current


def register(app: typer.Typer) -> None:
    app.command(help=_help())(demo)


def _help() -> str:
    """With a line a scenario; the backspace keeps Click from making one paragraph of them."""
    lines = "\n".join(f"{name:15} {scenario.story}" for name, scenario in SCENARIOS.items())
    return f"""{demo.__doc__}

Each scenario tries one candidate against a champion. All are about flights that may be late, but
one, which is about people:

\b
{lines}"""


def demo(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help=f"One by name, may be repeated; {ALL}; else {', '.join(DEFAULT)}."),
    ] = None,
    wait_for_me: Annotated[
        bool, typer.Option("--wait-for-me", help="You sign the approvals instead of the demo.")
    ] = False,
    share_of_flights: Annotated[
        float,
        typer.Option(min=0.01, max=1.0, help="Replay a fixed part of the flights, or people."),
    ] = 1.0,
    seed: Annotated[
        int | None,
        typer.Option(help="Train on another draw of the data; other people in each arm."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Release real models on a real stack: a better one, and some with faults."""
    from deployments.demo.fleet import Demo

    asked = SCENARIOS if ALL in (scenario or ()) else scenario or DEFAULT
    chosen = list(dict.fromkeys(asked))
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        raise typer.BadParameter(f"unknown scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    begun = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - begun:6.1f} s  {line}")

    home = current().home.path
    drawn = SEED if seed is None else seed
    voyages = Demo(home, chosen, wait_for_me, tell, share_of_flights, drawn).run()
    rows = [voyage.row() for voyage in voyages]
    cells = [
        (
            row["scenario"],
            str(row["outcome"]).replace("_", " "),
            row["stage"],
            row["exposed_requests"],
            _seconds(row["seconds_to_zero_traffic"]),
            _hours(row["hours_from_fault_to_zero"]),
            row["days_replayed"],
            _first_sentence(str(row["reason"])),
        )
        for row in rows
    ]
    columns = ("scenario", "outcome", "at", "exposed", "s to zero", "fault to zero", "days", "why")
    show(
        rows,
        table(f"What became of them ({time.monotonic() - begun:.0f} s)", columns, cells),
        as_json,
    )
    settings = current().settings
    say(f"\nPrefect UI {settings.prefect_ui} · MLflow {settings.mlflow_uri}")
    say(f"Who decided what: seatrial why {rows[0]['release_id']} · stop it all: seatrial down")
    if not all(voyage.is_as_hoped() for voyage in voyages):
        astray = ", ".join(v.scenario for v in voyages if not v.is_as_hoped())
        say(f"Not as a responsible release would have ended: {astray}.")
        raise typer.Exit(1)


def _seconds(value: float | None) -> str:
    return "not needed" if value is None else f"{value:.2f}"


def _hours(value: float | None) -> str:
    return "–" if value is None else f"{value:g} h"


def _first_sentence(text: str) -> str:
    """The whole reason is in ``seatrial why`` and in ``--json``."""
    head = text.split("; ")[0].split(". ")[0]
    return head if head.endswith(".") else f"{head}."
