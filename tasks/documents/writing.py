"""A release's documents as files, from its ledger entries alone."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from policies.errors import EvidenceError
from policies.vocabulary import Entry
from tasks.documents.deployment_record import deployment_record
from tasks.documents.files import replace_text
from tasks.documents.model_card import model_card
from tasks.documents.page.next_steps import FILES, Addresses
from tasks.documents.page.page import release_page
from tasks.documents.page.rendering import render_page
from tasks.documents.rendering import render
from tasks.evidence.evidence_file import evidence_of

PAGE = "page.html"
EVIDENCE = "evidence"


def write_records(entries: Sequence[Entry], folder: Path) -> dict[str, str]:
    """Model card and deployment record, as Markdown and as data; kind -> Markdown."""
    texts: dict[str, str] = {}
    for document in (model_card(entries), deployment_record(entries)):
        texts[document.kind] = render(document)
        replace_text(folder / f"{document.kind}.md", texts[document.kind])
        replace_text(folder / f"{document.kind}.json", document.model_dump_json())
    return texts


def write_evidence(entries: Sequence[Entry], folder: Path) -> Path:
    """The last look of every step, the one it was decided on, as a file for `seatrial judge`.

    ``EvidenceError`` when an entry is not what its hash says.
    """
    last = {entry.payload["step"]: entry.seq for entry in entries if entry.kind == "looked"}
    for step, seq in last.items():
        name = "-".join(re.findall(r"[a-z0-9]+", step.lower()))
        replace_text(folder / EVIDENCE / f"{name}.json", evidence_of(entries, seq))
    return folder / EVIDENCE


def write_page(entries: Sequence[Entry], folder: Path, addresses: Addresses) -> Path:
    """The release page; it links those of its neighbours that are there.

    ``RefusedError`` when it cannot be written, ``EvidenceError`` when it cannot be drawn.
    """
    beside = [name for name, _ in FILES if os.path.isfile(folder / name)]  # False without rights
    try:
        text = render_page(release_page(entries, beside=beside, addresses=addresses))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise EvidenceError(
            f"The release page cannot be drawn from the ledger: {type(error).__name__}: {error}.",
            advice="`seatrial why RELEASE` tells its entries; `seatrial doctor` verifies them.",
        ) from error
    replace_text(folder / PAGE, text)
    return folder / PAGE
