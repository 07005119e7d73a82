"""``seatrial policy``: write a first one, and read the rules before they rule.

Nothing here needs a server, and nothing heavy is imported: a policy can be checked in an
editor's save hook. Exit codes: 0 sound, 1 refused, 2 wrong usage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli import output
from deployments.cli.asking import asker
from deployments.cli.new_policy import Given, new_policy
from policies import loader
from policies.errors import PolicyError
from policies.explain import explain, sections
from policies.loader import LoadedPolicy
from policies.schema import ReleasePolicy
from tasks.connections import OWN_CATALOG, current

app = typer.Typer(
    name="policy",
    help="Write, check, explain and describe release policies.",
    no_args_is_help=True,
    add_completion=False,
)

As_json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Catalog = Annotated[
    Path | None,
    typer.Option("--catalog", help="Folder of policies; else the home's, and the shipped one."),
]
Independent = Annotated[
    bool | None,
    typer.Option("--independent/--dependent", help="Whether outcomes ignore what is answered."),
]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name, which is also the file's.")],
    tier: Annotated[str | None, typer.Option(help="low, medium, high or regulated.")] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="Registered model it rules; a pattern.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="The team that answers for it.")] = None,
    why: Annotated[str | None, typer.Option(help="Why this tier, in one sentence.")] = None,
    independent: Independent = None,
    horizon_hours: Annotated[
        float | None, typer.Option(help="Hours until an outcome is known.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Where days begin: Europe/Paris.")] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="Input column whose groups must not lose.")
    ] = None,
    wait_ms: Annotated[
        float | None, typer.Option(help="Milliseconds that no caller minds waiting.")
    ] = None,
    on_call: Annotated[str | None, typer.Option(help="Who is paged.")] = None,
    runbook: Annotated[str | None, typer.Option(help="What they open first.")] = None,
    catalog: Catalog = None,
    as_json: As_json = False,
) -> None:
    """Write a first policy that extends a tier. What no option says is asked at a terminal."""
    given = Given(
        name, tier, models, owner, why, independent, horizon_hours, time_zone, slices, wait_ms,
        on_call, runbook,
    )  # fmt: skip
    folder = catalog or _own() or Path(OWN_CATALOG).absolute()
    try:
        made = new_policy(given, folder, asker(as_json))
    except PolicyError as error:
        raise typer.Exit(output.fail(error)) from error
    row = {"policy": made.policy.policy, "digest": made.digest, "file": str(made.source)}
    text = (
        f"Wrote {made.source}: sound, {made.digest}\n"
        f"Read it and name your columns in it; then: seatrial policy explain {made.source}"
    )
    output.show(row, text, as_json)


@app.command()
def check(
    policies: Annotated[
        list[str] | None,
        typer.Argument(help="Files or names; the whole catalogue when none is given."),
    ] = None,
    catalog: Catalog = None,
    as_json: As_json = False,
) -> None:
    """Name every fault of every policy, with its file, line and field."""
    rows = []
    for target in policies if policies is not None else _every(catalog):
        try:
            loaded = load_named(target, catalog)
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
    catalog: Catalog = None,
    as_json: As_json = False,
) -> None:
    """Tell a policy in plain sentences."""
    try:
        loaded = load_named(policy, catalog)
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


def _own() -> Path | None:
    """The catalogue that the home names."""
    named = current().home.catalog()
    return None if named is None else Path(named)


def _catalogs(given: Path | None) -> list[Path]:
    """The one that was named; else the home's own before the shipped one."""
    folders = [given] if given is not None else [each for each in (_own(), loader.CATALOG) if each]
    for folder in folders:
        if not folder.is_dir():
            raise typer.BadParameter(f"{folder} is no folder.", param_hint="--catalog")
    return folders


def _every(catalog: Path | None) -> list[str]:
    found = [str(path) for folder in _catalogs(catalog) for path in loader.files(folder)]
    if not found:  # nothing checked is not nothing wrong
        raise typer.BadParameter(f"{catalog} holds no policy.", param_hint="--catalog")
    return found


def load_named(target: str, catalog: Path | None = None) -> LoadedPolicy:
    """A path when it looks like one, else a name in the catalogues."""
    path = Path(target)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return loader.load(path)
    return loader.find(target, _catalogs(catalog))


def _faults(error: PolicyError) -> list[str]:
    return list(error.faults) or [str(error)]


def _say_count(count: int) -> None:
    noun = "fault" if count == 1 else "faults"
    typer.echo(f"{count} {noun}. Mend them and run `seatrial policy check` again.", err=True)
