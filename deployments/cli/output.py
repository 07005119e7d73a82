"""How the command line speaks: calm tables for people, JSON for programs, errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from policies.errors import PolicyError, SeatrialError

Model = Annotated[str, typer.Argument(help="The registered model's name.")]
PIPED_WIDTH = 160  # a table in a file or a pipe has no terminal to fit into
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def show(data: Any, text: str | Table, as_json: bool) -> None:
    """Print one or the other."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
        return
    if isinstance(text, str):
        sys.stdout.write(text.rstrip("\n") + "\n")
    else:
        console = Console()
        Console(width=None if console.is_terminal else PIPED_WIDTH).print(text)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    made = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made


def say(line: str) -> None:
    """One line of progress, on stderr so that ``--json`` stays clean."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def fail(error: SeatrialError) -> int:
    """Tell an error and what to do; returns the exit code."""
    say(f"Error: {error.message}")
    if isinstance(error, PolicyError):
        for fault in error.faults:
            say(f"  {fault}")
    if error.advice:
        say(f"What to do: {error.advice}")
    return 1
