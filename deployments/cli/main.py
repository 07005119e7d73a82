"""The command line: ``seatrial``. Exit 0 done, 1 refused or unhealthy, 2 usage, 3 incomplete."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli import approving, demo, policy, releasing, serving, stack, views
from deployments.cli.output import fail
from policies.errors import SeatrialError

app = typer.Typer(
    name="seatrial",
    help="Release machine-learning models responsibly: each step is earned with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(policy.app, name="policy")
for module in (stack, demo, releasing, views, approving, serving):
    module.register(app)


@app.callback()
def options(
    home: Annotated[
        Path,
        typer.Option(envvar="SEATRIAL_HOME", help="The folder where all of Seatrial's state lies."),
    ] = Path(".seatrial"),
) -> None:
    """Choose the home; every command and everything it starts uses it."""
    os.environ["SEATRIAL_HOME"] = str(home.resolve())


def run() -> None:
    """Entry point. Every error says what went wrong and what to do next."""
    for name, value in {
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "ERROR"),
    }.items():
        os.environ.setdefault(name, value)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        app()
    except SeatrialError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        print("\nInterrupted. What this command had started has been stopped.", file=sys.stderr)
        sys.exit(3)


def _interrupted(*_: object) -> None:
    """A polite request to end is treated like Ctrl-C."""
    raise KeyboardInterrupt
