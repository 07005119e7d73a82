"""A post-mortem as Markdown. Questions nobody has answered stand out as questions."""

from __future__ import annotations

from datetime import datetime

from tasks.incidents.post_mortem import QUESTIONS, PostMortem
from tasks.incidents.timeline import Timeline

UNKNOWN = "not recorded"


def render(post_mortem: PostMortem) -> str:
    parts = [_head(post_mortem), _facts(post_mortem)]
    asked: dict[str, list[str]] = {}
    for key, (section, question) in QUESTIONS.items():
        asked.setdefault(section, []).append(_answer(question, post_mortem.answers.get(key, "")))
    parts += [f"## {section}\n\n" + "\n\n".join(texts) for section, texts in asked.items()]
    parts.append(_table(post_mortem.timeline))
    return "\n\n".join(parts) + "\n"


def _head(item: PostMortem) -> str:
    open_questions = len(item.unanswered())
    lines = [
        f"# {_plain(item.title)}",
        f"**Status:** {item.status} · {open_questions} of {len(QUESTIONS)} questions open · "
        f"{_when(item.at)}",
        "Causes speak of roles and conditions, not of people.",
    ]
    lines += [f"- **To correct:** {_plain(fault)}" for fault in item.faults]
    return "\n\n".join(lines)


def _facts(item: PostMortem) -> str:
    clock, incident = item.timeline, item.incident
    exposed = UNKNOWN if item.exposed_requests is None else f"{item.exposed_requests:,}"
    rows = [
        ("Severity", f"{incident.severity}: {incident.severity_reason}"),
        ("Release", f"{incident.release_id}, {incident.model} v{incident.version}"),
        ("Stopped at", f"{incident.stage}, {incident.weight_bp / 100:g} % of traffic"),
        ("Why it was stopped", incident.reason),
        ("Detected by", clock.detected_by or UNKNOWN),
        ("Requests the candidate answered", exposed),
        ("First answered users", _when(clock.began)),
        ("Detected", f"{_when(clock.detected)}, after {_span(clock.seconds_to_detect)}"),
        ("Contained", f"{_when(clock.contained)}, after {_span(clock.seconds_to_contain)}"),
        ("Time to zero traffic, measured", _span(clock.seconds_to_zero_traffic)),
        ("Resolved", f"{_when(clock.resolved)}, after {_span(clock.seconds_to_resolve)}"),
        ("Quarantined artefact", item.quarantined_digest or UNKNOWN),
        ("Runbook", incident.runbook),
    ]
    body = "\n".join(f"| {name} | {_plain(value)} |" for name, value in rows)
    return f"## Facts from the ledger\n\n| | |\n|---|---|\n{body}"


def _answer(question: str, answer: str) -> str:
    if answer.strip():
        return f"**{question}**\n\n{_plain(answer)}"
    return f"> **OPEN QUESTION** · {question}"


def _table(clock: Timeline) -> str:
    rows = "\n".join(
        f"| {_when(row.at)} | {_plain(row.what)} | {_plain(row.who)} | #{row.seq} |"
        for row in clock.rows
    )
    return f"## Timeline\n\n| when | what | by | entry |\n|---|---|---|---|\n{rows}"


def _plain(text: str) -> str:
    """One line that no table or page can be broken with."""
    flat = " ".join(text.split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _when(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else UNKNOWN


def _span(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    if seconds < 120:
        return f"{seconds:.1f} s"
    hours = seconds / 3600
    return f"{seconds / 60:.0f} min" if hours < 2 else f"{hours:.1f} h"
