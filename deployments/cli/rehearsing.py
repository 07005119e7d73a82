"""``seatrial rehearse``: every gate of staging on a laptop, before anything is registered."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.output import AsJson, say, show, table
from deployments.cli.policy import load_named
from policies.vocabulary import Decision, Evidence, Finding, Verdict
from tasks.connections import current

if TYPE_CHECKING:
    from deployments.rehearsal.trial import Asked, Rehearsed

_ASKED_FOR = {
    "feature parity": "Put reference rows into the model folder: see docs/tutorial.md.",
    "score parity": "Put reference rows into the model folder: see docs/tutorial.md.",
}


def register(app: typer.Typer) -> None:
    app.command()(rehearse)


def rehearse(
    model: Annotated[
        str, typer.Argument(help="The candidate: a model folder, or models:/NAME/VERSION.")
    ],
    sample: Annotated[
        Path, typer.Option(help="Labelled rows: a file .csv, .parquet or .jsonl, newest first.")
    ],
    policy: Annotated[str, typer.Option(help="The policy's name, or its file.")],
    champion: Annotated[
        str | None, typer.Option(help="What it is compared with: a folder or models:/….")
    ] = None,
    rule: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Compare with a rule instead: always this answer."),
    ] = None,
    label: Annotated[str, typer.Option(help="The sample's column of outcomes, 0 or 1.")] = "label",
    time: Annotated[
        str | None, typer.Option(help="The sample's column of times: days differ, rows less.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try a model as staging would: no server, nothing registered, nothing on the record.

    Exit 0 when it would go on to shadow, 1 when it would be refused or held.
    """
    if (champion is None) == (rule is None):
        raise typer.BadParameter("name a --champion, or a --rule, and not both")
    from deployments.rehearsal.trial import Asked, Bench

    world = current()
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    loaded = load_named(policy)
    against: str | float = _place(champion) if champion is not None else float(rule or 0.0)
    asked = Asked(_place(model), against, sample.resolve(), label, loaded, time)
    with TemporaryDirectory(prefix="seatrial-rehearsal-") as folder:
        home = Path(folder)
        bench = Bench(home, world.shelf(home / "store"), world.contract, say)
        done = bench.rehearse(asked)
    _tell(asked, done, as_json)
    if done.verdict.decision is not Decision.PASS:
        raise typer.Exit(1)


def _place(text: str) -> str:
    """A folder by its full path: the models are loaded from another working folder."""
    return text if ":/" in text else str(Path(text).expanduser().resolve())


def _tell(asked: Asked, done: Rehearsed, as_json: bool) -> None:
    if as_json:
        show(_data(asked, done), "", True)
        return
    findings = {judged.name: judged.finding for judged in done.verdict.judged}
    rows = [
        (item.name, _word(findings[item.name]), _measured(item), _detail(item))
        for item in done.evidence
    ]
    title = f"Staging of {Path(asked.model).name} under {asked.policy.policy.policy}"
    show(None, table(title, ("check", "finding", "measured", "what was seen"), rows), False)
    show(None, "\n".join([*_notes(asked, done), _sentence(done.verdict)]), False)


def _notes(asked: Asked, done: Rehearsed) -> list[str]:
    sample, limit = done.sample, asked.policy.policy.staging.sample_rows
    notes = [f"{len(sample.rows)} rows, {sample.labelled} with a label."]
    if sample.has_more:
        notes.append(
            f"The file holds more: the first {limit} rows were used, as staging.sample_rows says."
        )
    if sample.ignored:
        notes.append(f"Columns that no model asks for: {', '.join(sample.ignored)}.")
    return notes


def _sentence(verdict: Verdict) -> str:
    if verdict.decision is Decision.PASS:
        return f"PASS: staging would let it go on to shadow; {len(verdict.judged)} checks hold."
    word = "REFUSED" if verdict.decision is Decision.ROLL_BACK else "HOLD"
    return f"{word}: {verdict.reason}"


def _word(finding: Finding) -> str:
    return {Finding.SAFE: "holds", Finding.HARMFUL: "FAILS"}.get(finding, finding.value)


def _measured(item: Evidence) -> str:
    if item.status != "ok" or item.effect is None or item.limit is None:
        return "not measured"
    return f"{item.effect:.4g} {item.unit} (at most {item.limit:g})".replace("  ", " ")


def _detail(item: Evidence) -> str:
    advice = _ASKED_FOR.get(item.name, "") if item.status == "scarce" else ""
    return " ".join(filter(None, (item.detail, advice)))


def _data(asked: Asked, done: Rehearsed) -> dict[str, Any]:
    findings = {judged.name: judged for judged in done.verdict.judged}
    return {
        "decision": done.verdict.decision.value,
        "told": _sentence(done.verdict),
        "model": asked.model,
        "digest": done.artefact.digest,
        "champion": asked.champion,
        "policy": asked.policy.policy.policy,
        "policy_digest": asked.policy.digest,
        "sample": {
            "file": str(asked.sample),
            "rows": len(done.sample.rows),
            "labelled": done.sample.labelled,
            **{k: v for k, v in asdict(done.sample).items() if k != "rows"},
        },
        "checks": [
            item.plain() | {"finding": findings[item.name].finding.value} for item in done.evidence
        ],
    }
