"""Documents as nodes on the release graph: artifacts in the UI, files in the home."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from policies.errors import EvidenceError, RefusedError, SeatrialError
from policies.rerisk import Due
from tasks.connections import current
from tasks.documents.page.next_steps import Addresses
from tasks.documents.pages import evidence_table
from tasks.documents.release_note import release_note
from tasks.documents.risk_packet import Packet, counts, risk_packet
from tasks.documents.writing import PAGE, write_records
from tasks.documents.writing import write_evidence as to_evidence
from tasks.documents.writing import write_page as to_page
from tasks.node import node


def folder_of(release_id: str) -> Path:
    """``<home>/documents/<release>``; whoever writes into it makes it."""
    return current().home.path / "documents" / release_id


def addresses() -> Addresses:
    """As the home knows them; nothing is linked that nobody has started."""
    try:
        settings = current().settings
    except SeatrialError:
        return Addresses()
    return Addresses(prefect_ui=settings.prefect_ui, mlflow=settings.mlflow_uri)


@node("show release", "what is on trial, and where to look")
def show_release(release_id: str) -> None:
    """The first page of a release, with its links; the commands that stop it are on it."""
    world = current()
    ledger, settings = world.ledger, world.settings
    page = release_note(
        ledger.entries(release_id=release_id),
        mlflow=settings.mlflow_uri,
        gateways=settings.gateway_urls,
        folder=folder_of(release_id),
    )
    create_markdown_artifact(page, key=release_id, description="What is on trial")


@node("show evidence", "evidence of {step}, look {look}")
def show_evidence(release_id: str, step: str, look: int, found: Mapping[str, Any]) -> None:
    """One page a look, kept as versions of one artifact a release."""
    about = f"{step}, look {look}: {found['verdict']['decision']}"
    create_markdown_artifact(evidence_table(found), key=f"evidence-{release_id}", description=about)


@node("draw drift", "draw the drift page")
def draw_drift(
    release_id: str, reference: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> SeatrialError | None:
    """Evidently's page, for people to look at. It decides nothing: a fault is only told."""
    if not reference or not rows:
        return None
    try:
        page = current().drift_page.draw(reference, rows, folder_of(release_id) / "drift.html")
    except (EvidenceError, RefusedError) as error:
        return error
    # A browser follows no link from this page to a file: the text names the file as well.
    create_link_artifact(
        page.resolve().as_uri(),
        link_text=f"Drift of recent traffic: {page.resolve()}",
        key=f"drift-{release_id}",
        description="How recent traffic differs from the reference sample. It decides nothing.",
    )
    return None


def write_page(release_id: str) -> SeatrialError | None:
    """The release as it stands now. What keeps it from being written stops nothing: it is told.

    No node: it decides and moves nothing, and a look's graph is long enough.
    """
    entries = current().ledger.entries(release_id=release_id)
    folder = folder_of(release_id)
    is_new = not os.path.exists(folder / PAGE)
    try:
        page = to_page(entries, folder, addresses())
    except (EvidenceError, RefusedError) as error:
        return error
    if is_new:
        address = page.resolve().as_uri()
        create_link_artifact(
            address,
            link_text=f"The release page: {page.resolve()}",
            key=f"page-{release_id}",
            description="Story, evidence, people and times of the release, kept up to date",
        )
    return None


def write_evidence(release_id: str) -> SeatrialError | None:
    """What an auditor recomputes the verdicts from; like a page, it stops nothing."""
    try:
        to_evidence(current().ledger.entries(release_id=release_id), folder_of(release_id))
    except (EvidenceError, RefusedError) as error:
        return error
    return None


@node("write risk packet", "write the risk packet of {model}")
def write_packet(model: str, due: Due, tier: str) -> Packet:
    """What has changed since the risk was judged last: a file, an artifact, and the counts."""
    world = current()
    entries, now = world.ledger.entries(model=model), world.clock.now(model)
    text = risk_packet(model, entries, due.since, due.why, tier, now)
    file = folder_of(f"review-{model}") / f"risk_{now:%Y-%m-%d}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    key = "risk-" + "-".join(re.findall(r"[a-z0-9]+", model.lower()))
    create_markdown_artifact(text, key=key, description=f"Risk review of {model}")
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    place = str(file.relative_to(world.home.path))
    return Packet(place=place, digest=digest, counts=counts(entries, due.since))


@node("write documents", "write the model card and the deployment record")
def write_documents(release_id: str) -> dict[str, str]:
    """Files and artifacts; returns name -> digest of the text."""
    entries = current().ledger.entries(release_id=release_id)
    written: dict[str, str] = {}
    for kind, text in write_records(entries, folder_of(release_id)).items():
        create_markdown_artifact(text, key=f"{kind.replace('_', '-')}-{release_id}")
        written[kind] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return written
