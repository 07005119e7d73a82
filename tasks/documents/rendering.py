"""Documents as Markdown, through the templates beside this file."""

from __future__ import annotations

import json
from pathlib import Path

from tasks.documents.document import Document
from tasks.documents.model_card import unanswered
from tasks.documents.tables import cell, markdown_table

TEMPLATES = Path(__file__).parent / "templates"


def render(document: Document) -> str:
    """Markdown with one template a kind. A name the data lacks is an error, never a blank."""
    import jinja2  # 0.1 s that only writers of documents need

    world = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown; every value passes the filter `cell`
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    world.filters["cell"] = cell
    world.globals["markdown_table"] = markdown_table
    template = world.get_template(f"{document.kind}.md.j2")
    open_questions = unanswered(document) if document.kind == "model_card" else ()
    return template.render(document=document, counts=document.counts(), unanswered=open_questions)


def as_json(document: Document) -> str:
    """The document's data: what its Markdown was rendered from."""
    return json.dumps(document.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"
