"""Evidence as rows that people read: the same numbers on every page, card and packet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.vocabulary import Evidence, Judged

GUARDRAIL_COLUMNS = ("guardrail", "effect (interval)", "margin", "finding", "rows", "seen in")
CHECK_COLUMNS = ("check", "measured", "at most", "finding", "rows")
NOTHING = "–"


def guardrail_rows(evidence: Sequence[Evidence], judged: Sequence[Judged]) -> list[list[str]]:
    """One row a guardrail. Effects: candidate minus champion, greater is worse."""
    found = _findings(judged)
    return [
        [
            item.name,
            effect(item),
            number(item.margin),
            found.get(item.name, item.status),
            f"{item.n:,}",
            f"{item.clusters:,} {item.unit}".strip(),
        ]
        for item in evidence
        if item.kind == "sequential"
    ]


def check_rows(evidence: Sequence[Evidence], judged: Sequence[Judged]) -> list[list[str]]:
    found = _findings(judged)
    return [
        [
            item.name,
            f"{number(item.effect)} {item.unit}".strip(),
            number(item.limit),
            found.get(item.name, item.status),
            f"{item.n:,}",
        ]
        for item in evidence
        if item.kind == "check"
    ]


def effect(item: Evidence) -> str:
    if item.effect is None:
        return "not measured"
    interval = ""
    if item.lower is not None and item.upper is not None:
        interval = f" ({item.lower:+.4f} to {item.upper:+.4f})"
    return f"{item.effect:+.4f}{interval}"


def number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, cells escaped; empty without rows."""
    if not rows:
        return ""
    lines = [columns, ["---"] * len(columns), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(text: str) -> str:
    """Text that can break neither a table nor a page, wherever it came from."""
    flat = " ".join(str(text).split())
    for letter, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        flat = flat.replace(letter, escaped)
    return flat.replace("[", "\\[").replace("`", "'")


def _findings(judged: Sequence[Judged]) -> Mapping[str, str]:
    return {item.name: item.finding.value for item in judged}
