"""The draft of a post-mortem: what the ledger knows is filled in, the rest is asked.

Blameless: cause text speaks of roles and conditions. A name in it, or "human error" as the
cause, is reported by ``faults`` and keeps the post-mortem a draft.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from policies.vocabulary import Entry, Value
from tasks.incidents.incident import Incident
from tasks.incidents.timeline import Timeline, timeline

# key -> (section, question). In the order of the document.
QUESTIONS: Mapping[str, tuple[str, str]] = {
    "summary": ("Summary", "In two sentences: what happened, and who felt it?"),
    "user_impact": ("Impact", "What did the wrong answers mean for the people who got them?"),
    "trigger": ("Trigger", "Which change or event set it off?"),
    "why_1": ("Root causes", "Why did it happen?"),
    "why_2": ("Root causes", "Why was that possible?"),
    "why_3": ("Root causes", "Why was that so? (Go on until something can be changed.)"),
    "why_surprised": ("Root causes", "What did people believe that turned out to be wrong?"),
    "went_well": ("Lessons", "What went well?"),
    "went_wrong": ("Lessons", "What went wrong?"),
    "got_lucky": ("Lessons", "Where was it luck?"),
    "actions": ("Action items", "Which actions, owned by which role, due when?"),
}
_CAUSES = ("trigger", "why_1", "why_2", "why_3", "why_surprised")
_BLAME = re.compile(r"\b(human|user|operator)[ -]error\b|\bcareless", re.IGNORECASE)


class PostMortem(Value):
    """Draft until every question is answered and nothing in it blames."""

    title: str
    status: Literal["Draft", "In review"]
    at: datetime
    incident: Incident
    timeline: Timeline
    exposed_requests: int | None  # requests the candidate answered; None: not recorded
    quarantined_digest: str | None
    answers: dict[str, str] = {}  # question key -> what people wrote
    faults: tuple[str, ...] = ()

    def unanswered(self) -> tuple[str, ...]:
        return tuple(key for key in QUESTIONS if not self.answers.get(key, "").strip())


def draft(
    incident: Incident,
    entries: Sequence[Entry],
    at: datetime,
    *,
    answers: Mapping[str, str] | None = None,
    people: Sequence[str] = (),
) -> PostMortem:
    """Draft it from one release's entries. ``people``: names that cause text must not carry."""
    known = {key: text for key, text in (answers or {}).items() if key in QUESTIONS}
    found = faults(known, people)
    complete = all(known.get(key, "").strip() for key in QUESTIONS) and not found
    return PostMortem(
        title=f"Post-mortem of {incident.incident_id}: {incident.title}",
        status="In review" if complete else "Draft",
        at=at,
        incident=incident,
        timeline=timeline(entries),
        exposed_requests=_last(entries, "closed", "exposed_requests"),
        quarantined_digest=_last(entries, "quarantined", "digest"),
        answers=known,
        faults=found,
    )


def faults(answers: Mapping[str, str], people: Sequence[str]) -> tuple[str, ...]:
    """Where cause text names a person or stops at blame."""
    found = []
    for key in _CAUSES:
        text = answers.get(key, "")
        found += [f"{key} names {name}: say the role" for name in people if _names(text, name)]
        if _BLAME.search(text):
            found.append(f"{key} stops at blame: say what made the error possible")
    return tuple(found)


def _names(text: str, name: str) -> bool:
    """The whole name or any part of it, as a word."""
    parts = [name, *(part for part in re.split(r"[\s@._-]+", name) if len(part) > 2)]
    return any(re.search(rf"\b{re.escape(part)}\b", text, re.IGNORECASE) for part in parts)


def _last(entries: Sequence[Entry], kind: str, field: str) -> Any:
    return next((e.payload.get(field) for e in reversed(entries) if e.kind == kind), None)
