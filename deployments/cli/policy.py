"""``seatrial policy``: read the rules before they rule.

Nothing here needs a server, and nothing heavy is imported: a policy can be checked in an
editor's save hook. Exit codes: 0 sound, 1 refused, 2 wrong usage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli import output
from policies import loader
from policies.errors import PolicyError
from policies.explain import explain, sections
from policies.loader import LoadedPolicy
from policies.schema import ReleasePolicy

app = typer.Typer(
    name="policy",
    help="Check, explain and describe release policies.",
    no_args_is_help=True,
    add_completion=False,
)

As_json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Catalog = Annotated[Path, typer.Option("--catalog", help="Folder of policies to look names up in.")]


@app.command()
def check(
    policies: Annotated[
        list[str] | None,
        typer.Argument(help="Files or names; the whole catalogue when none is given."),
    ] = None,
    catalog: Catalog = loader.CATALOG,
    as_json: As_json = False,
) -> None:
    """Name every fault of every policy, with its file, line and field."""
    rows = []
    for target in policies if policies is not None else _every(catalog):
        try:
            loaded = _load(target, catalog)
        except PolicyError as error:
            rows.append({"policy": target, "digest": None, "faults": _faults(error)})
        else:
            rows.append({"policy": loaded.policy.policy, "digest": loaded.digest, "faults": []})
    faults = list(dict.fromkeys(str(fault) for row in rows for fault in row["faults"] or ()))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            if not row["faults"]:
                typer.echo(f"{row['policy']}: sound, {row['digest']}")
        for fault in faults:
            typer.echo(fault, err=True)
    if faults:
        _say_count(len(faults))
        raise typer.Exit(1)


@app.command(name="explain")
def explain_policy(
    policy: Annotated[str, typer.Argument(help="A file, a policy's name, or a model's.")],
    catalog: Catalog = loader.CATALOG,
    as_json: As_json = False,
) -> None:
    """Tell a policy in plain sentences."""
    try:
        loaded = _load(policy, catalog)
    except PolicyError as error:
        raise typer.Exit(output.fail(error)) from error
    if not as_json:
        typer.echo(explain(loaded.policy))
        typer.echo(f"\nDigest {loaded.digest}")
        return
    told = [{"title": title, "sentences": lines} for title, lines in sections(loaded.policy)]
    row = {
        "policy": loaded.policy.policy,
        "digest": loaded.digest,
        "source": str(loaded.source),
        "document": loaded.policy.model_dump(mode="json"),
        "explained": told,
    }
    typer.echo(json.dumps(row, indent=2))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a policy, for editors."""
    typer.echo(json.dumps(ReleasePolicy.model_json_schema(), indent=2))


def _every(catalog: Path) -> list[str]:
    try:
        found = [str(path) for path in loader.files(catalog)]
    except PolicyError as error:
        raise typer.BadParameter(str(error), param_hint="--catalog") from error
    if not found:  # nothing checked is not nothing wrong
        raise typer.BadParameter(f"{catalog} holds no policy.", param_hint="--catalog")
    return found


def _load(target: str, catalog: Path) -> LoadedPolicy:
    """A path when it looks like one, else a name in the catalogue."""
    path = Path(target)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return loader.load(path)
    if not catalog.is_dir():
        raise typer.BadParameter(f"{catalog} is no folder.", param_hint="--catalog")
    return loader.find(target, (catalog,))


def _faults(error: PolicyError) -> list[str]:
    return list(error.faults) or [str(error)]


def _say_count(count: int) -> None:
    noun = "fault" if count == 1 else "faults"
    typer.echo(f"{count} {noun}. Mend them and run `seatrial policy check` again.", err=True)
