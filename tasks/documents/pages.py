"""One look as a page for the Prefect UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.documents.looks import look_of
from tasks.documents.tables import (
    CHECK_COLUMNS,
    GUARDRAIL_COLUMNS,
    cell,
    check_rows,
    guardrail_rows,
    markdown_table,
)


def evidence_table(looked: Mapping[str, Any]) -> str:
    """Markdown of a ``looked`` payload: the verdict first, then what it stands on."""
    look = look_of(looked)
    verdict = look.verdict
    due = f"Next look {look.next_look:%Y-%m-%d %H:%M} UTC." if look.next_look else ""
    reasons = "\n".join(f"- {cell(item.reason)}" for item in verdict.judged)
    parts = [
        f"# {cell(look.step)} · look {look.number} · {verdict.decision.value}",
        f"**{cell(verdict.reason)}** Finding: {verdict.finding.value}. {due}".strip(),
        markdown_table(GUARDRAIL_COLUMNS, guardrail_rows(look.evidence, verdict.judged)),
        markdown_table(CHECK_COLUMNS, check_rows(look.evidence, verdict.judged)),
        f"## Why\n\n{reasons}" if reasons else "Nothing was measured.",
        f"Evidence `{look.evidence_digest}`. Effects are candidate minus champion: "
        "greater is worse.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
