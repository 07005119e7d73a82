"""Documents as nodes on the release graph: artifacts in the UI, files in the home."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from tasks.connections import current
from tasks.documents.deployment_record import deployment_record
from tasks.documents.model_card import model_card
from tasks.documents.pages import evidence_table
from tasks.documents.rendering import render
from tasks.node import node


def folder_of(release_id: str) -> Path:
    """``<home>/documents/<release>``, made when missing."""
    folder = current().home.path / "documents" / release_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@node("show evidence", "evidence of {step}, look {look}")
def show_evidence(release_id: str, step: str, look: int, found: Mapping[str, Any]) -> None:
    """One page a look, kept as versions of one artifact a release."""
    create_markdown_artifact(
        evidence_table(found), key=f"evidence-{release_id}", description=f"{step}, look {look}"
    )


@node("draw drift", "draw the drift page")
def draw_drift(
    release_id: str, reference: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> None:
    """Evidently's page, for people to look at. It decides nothing."""
    if not reference or not rows:
        return
    page = current().drift_page.draw(reference, rows, folder_of(release_id) / "drift.html")
    create_link_artifact(
        page.resolve().as_uri(), link_text="Drift of recent traffic", key=f"drift-{release_id}"
    )


@node("write documents", "write the model card and the deployment record")
def write_documents(release_id: str) -> dict[str, str]:
    """Files and artifacts; returns name -> digest of the text."""
    entries = current().ledger.entries(release_id=release_id)
    written: dict[str, str] = {}
    for document in (model_card(entries), deployment_record(entries)):
        text = render(document)
        (folder_of(release_id) / f"{document.kind}.md").write_text(text, encoding="utf-8")
        (folder_of(release_id) / f"{document.kind}.json").write_text(document.model_dump_json())
        key = f"{document.kind.replace('_', '-')}-{release_id}"
        create_markdown_artifact(text, key=key, description=document.title)
        written[document.kind] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return written
