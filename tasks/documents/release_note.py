"""The first page of a release: what is on trial, what it has to pass, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from policies.lifecycle import Release
from policies.schema import ReleasePolicy
from policies.vocabulary import Artefact, Entry
from tasks.documents.looks import release_of
from tasks.documents.tables import NOTHING, cell, markdown_table

STEP_COLUMNS = ("step", "users", "at least", "at most", "signatures to enter")


def release_note(
    entries: Sequence[Entry], *, mlflow: str, gateways: Sequence[str], folder: Path
) -> str:
    """Markdown from an opened release's entries and the addresses of what it works with."""
    state, artefact = release_of(entries)
    return "\n\n".join(
        [
            f"# {cell(state.model)} v{cell(state.version)} on trial",
            _facts(state, artefact),
            "## What it has to pass",
            markdown_table(STEP_COLUMNS, _steps(state.policy)),
            "## Where to look",
            _links(state, mlflow, gateways, folder),
            "## What you can do",
            _commands(state),
        ]
    )


def _facts(state: Release, artefact: Artefact) -> str:
    champion = str(state.champion.ref) if state.champion else f"the rule {state.baseline}"
    rows = [
        ["release", state.release_id],
        ["asked for by", state.requester],
        ["trained by", artefact.trainer or NOTHING],
        ["compared with", champion],
        ["ruled by", f"{state.policy_name} ({state.policy.tier}). {state.policy.why}"],
        ["artefact", artefact.digest],
    ]
    return markdown_table(("", ""), rows)


def _steps(policy: ReleasePolicy) -> list[list[str]]:
    rows, asked = [], None
    for step in policy.steps():
        rule = policy.approval_for(step.stage) if step.stage is not asked else None
        asked = step.stage
        rules = policy.rules_for(step)
        roles = sorted(rule.roles.items()) if rule else []
        rows.append(
            [
                step.name,
                f"{step.weight_bp / 100:g} %",
                _days(rules.min_days),
                _days(rules.deadline_days),
                ", ".join(f"{count} × {role}" for role, count in roles) or NOTHING,
            ]
        )
    return rows


def _days(days: float) -> str:
    return f"{days:g} day" + ("" if days == 1 else "s")


def _links(state: Release, mlflow: str, gateways: Sequence[str], folder: Path) -> str:
    model = quote(state.model, safe="")
    page = f"{mlflow.rstrip('/')}/#/models/{model}/versions/{state.version}"
    lines = [f"- The candidate: [{cell(state.model)} v{cell(state.version)} in MLflow]({page})"]
    lines += [
        f"- What is served now, as the gateway reports it: [{url}]({url}/observe/{model})"
        for url in gateways
    ]
    return "\n".join([*lines, f"- Documents and pages of this release: `{folder}`"])


def _commands(state: Release) -> str:
    return (
        f"```\nseatrial why {state.release_id}\n"
        f"seatrial rollback {state.release_id} --reason WHY\n"
        f"seatrial kill {state.model} --reason WHY\n```"
    )
