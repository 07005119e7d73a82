"""``seatrial answered``: whom a version has answered, so that what followed can be repaired."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, Model, show
from policies.errors import RefusedError
from tasks.telemetry.ports import Answered


def register(app: typer.Typer) -> None:
    app.command()(answered)


def answered(
    model: Model,
    version: Annotated[str, typer.Argument(help="The version whose answers people got.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write; it must not be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write every request that a version answered: to repair what followed, and not to learn from.

    One line a request, the earliest first: id, unit, at, release, step, score. Failed answers and
    those that were only compared are not in it: nobody got them.
    """
    if out.exists():
        raise RefusedError(f"{out} is there already.", advice="Name a file that is not.")
    draft = out.with_name(f".{out.name}.part")
    rows, units = 0, set()
    with draft.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Answered._fields)
        for row in here().telemetry.answered(model, version):
            writer.writerow((*row[:2], row.at.isoformat(), *row[3:]))
            rows += 1
            units.add(row.unit)
    if not rows:
        draft.unlink()
        raise RefusedError(
            f"No user got an answer of {model} v{version}.",
            advice="Is it the version's number? `seatrial status` and `seatrial why` show both.",
        )
    draft.replace(out)
    data = {"model": model, "version": version, "requests": rows, "units": len(units)}
    text = f"{rows:,} requests of {len(units):,} units got an answer of {model} v{version}: {out}"
    show(data | {"file": str(out)}, text, as_json)
