"""``seatrial status`` and ``why``: what stands, and who decided what on which evidence."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from deployments.cli.home import here
from deployments.cli.output import AsJson, say, show, table
from policies.errors import SeatrialError
from policies.lifecycle import Release
from tasks.connections import World
from tasks.ledger.record import known, recall


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(why)


def status(
    model: Annotated[str | None, typer.Argument(help="One model; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """What each model serves, and where each release stands."""
    world = here()
    ids = [e.release_id for e in world.ledger.entries(model=model) if e.kind == "opened"]
    states = [recall(world.ledger, release_id) for release_id in ids if release_id]
    models = sorted({e.model for e in world.ledger.entries(model=model) if e.model})
    rows = [
        (s.release_id, f"{s.model} v{s.version}", _place(s), _says(s), _next(s)) for s in states
    ]
    served = [(name, *_served(world, name)) for name in models]
    data = {
        "models": [
            dict(zip(("model", "served_by", "revision"), row, strict=True)) for row in served
        ],
        "releases": [
            dict(zip(("release_id", "version", "stands", "says", "next"), row, strict=True))
            for row in rows
        ],
    }
    if as_json:
        show(data, "", True)
    else:
        show(data, table("Served, as observed", ("model", "served by", "revision"), served), False)
        columns = ("release", "version", "stands", "last verdict", "next")
        show(data, table("Releases", columns, rows), False)
    if any(not revision for _, _, revision in served):
        say("What serves could not be observed everywhere. What to do: run `seatrial doctor`.")
        raise typer.Exit(3)


def _place(state: Release) -> str:
    if state.closing is not None:
        return state.closing.outcome.value.replace("_", " ")
    return f"{state.step.name if state.step else 'opening'} ({state.phase.value})"


def _says(state: Release) -> str:
    if state.closing is not None:
        return state.closing.reason
    return f"{state.verdict.decision}: {state.verdict.reason}" if state.verdict else "no look yet"


def _next(state: Release) -> str:
    if not state.is_live:
        return ""
    if state.request is not None:
        roles = ", ".join(f"{count} x {role}" for role, count in state.request.roles.items())
        return f"sign-offs: {state.request.request_id} needs {roles}"
    return f"look at {state.next_look:%Y-%m-%d %H:%M}" if state.next_look else ""


def _served(world: World, model: str) -> tuple[str, str]:
    try:
        replicas = world.serving.observe(model)
    except SeatrialError as error:
        return f"not observed: {error.message}", ""
    told = {
        f"killed to {r.killed_to}" if r.killed_to else f"plan, candidate {r.weight_bp / 100:g} %"
        for r in replicas
    }
    return "; ".join(sorted(told)), ", ".join(sorted({str(r.revision) for r in replicas}))


def why(
    release_id: Annotated[
        str, typer.Argument(help="The release's id, from `seatrial status`; or a model.")
    ],
    evidence: Annotated[
        Path | None,
        typer.Option(help="Write the evidence of one look to this file, for `seatrial judge`."),
    ] = None,
    entry: Annotated[
        int | None, typer.Option(help="Which look, by its entry's number; else the last one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Who decided what, when, on which evidence: from the ledger alone."""
    from tasks.ledger.story import why as tell

    world = here()
    if evidence is not None or entry is not None:
        _write_evidence(world, release_id, evidence, entry, as_json)
        return
    entries = world.ledger.entries(model=release_id)
    if not entries:
        known(world.ledger, release_id)
        entries = world.ledger.entries(release_id=release_id)
    lines = tell(entries)
    rows = [
        (row.seq, f"{row.at:%Y-%m-%d %H:%M}", row.who, row.what, row.because or row.evidence)
        for row in lines
    ]
    columns = ("entry", "when (UTC)", "who", "what", "because, on which evidence")
    show([e.plain() for e in entries], table(f"Why {release_id}", columns, rows), as_json)


def _write_evidence(
    world: World, release_id: str, to: Path | None, entry: int | None, as_json: bool
) -> None:
    from tasks.documents.files import replace_text
    from tasks.evidence.evidence_file import evidence_of

    if to is None:
        raise typer.BadParameter("--entry goes with --evidence FILE")
    known(world.ledger, release_id)
    text = evidence_of(world.ledger.entries(release_id=release_id), entry)
    replace_text(to.absolute(), text)
    told = f"{to} holds the evidence. Recompute its verdict: seatrial judge {quote(str(to))}"
    show({"release_id": release_id, "evidence": str(to)}, told, as_json)
