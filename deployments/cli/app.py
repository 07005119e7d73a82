"""Every command of ``seatrial``, and the home they share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli import (
    answered,
    approving,
    beginning,
    demo,
    documents,
    judging,
    notify,
    policy,
    policy_plan,
    rehearsing,
    releasing,
    reviewing,
    serving,
    stack,
    views,
)

app = typer.Typer(
    name="seatrial",
    help="Release machine-learning models responsibly: each step is earned with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
policy_plan.register(policy.app)
app.add_typer(policy.app, name="policy")
app.add_typer(notify.app, name="notify")
for module in (
    answered,
    beginning,
    stack,
    demo,
    rehearsing,
    releasing,
    reviewing,
    views,
    judging,
    documents,
    approving,
    serving,
):
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
