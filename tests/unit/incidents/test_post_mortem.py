"""The post-mortem's draft: filled from the ledger, asked where only people know."""

from __future__ import annotations

import pytest

from policies.lifecycle import fold
from policies.vocabulary import Entry
from tasks.incidents.incident import Incident, incident_of
from tasks.incidents.post_mortem import QUESTIONS, draft, faults
from tasks.incidents.rendering import render

ANSWERS = {key: f"Answer to {key}." for key in QUESTIONS}


@pytest.fixture
def incident(entries: list[Entry]) -> Incident:
    return incident_of(fold(entries), entries[-1].at)


def test_an_empty_draft_asks_everything(incident: Incident, entries: list[Entry]) -> None:
    """Nothing people must say is invented: each question stands out as open."""
    made = draft(incident, entries, entries[-1].at)
    assert made.status == "Draft"
    assert made.unanswered() == tuple(QUESTIONS)
    assert render(made).count("OPEN QUESTION") == len(QUESTIONS)


def test_what_the_ledger_knows_is_filled_in(incident: Incident, entries: list[Entry]) -> None:
    """Severity, clocks, exposure, quarantine and timeline need nobody."""
    page = render(draft(incident, entries, entries[-1].at))
    for told in ("SEV3", "321", "0.3 s", "a" * 64, "after 6.0 h", "| #4 |", "canary 5 %"):
        assert told in page, told


def test_what_was_not_recorded_is_said_to_be_so(incident: Incident, entries: list[Entry]) -> None:
    """Without a closing entry exposure is unknown, not zero."""
    made = draft(incident, entries[:-1], entries[-1].at)
    assert made.exposed_requests is None
    assert "| Requests the candidate answered | not recorded |" in render(made)


def test_answered_and_blameless_it_goes_to_review(incident: Incident, entries: list[Entry]) -> None:
    """Complete answers leave the draft."""
    made = draft(incident, entries, entries[-1].at, answers=ANSWERS, people=("ann",))
    assert made.status == "In review"
    assert "OPEN QUESTION" not in render(made)


@pytest.mark.parametrize(
    "text", ["Ann forgot it.", "ann.smith@example.org did", "It was human error.", "Smith's push"]
)
def test_blame_keeps_it_a_draft(incident: Incident, entries: list[Entry], text: str) -> None:
    """A person's name or a human as the cause is reported and must be rewritten."""
    answers = ANSWERS | {"why_3": text}
    made = draft(incident, entries, entries[-1].at, answers=answers, people=("Ann Smith",))
    assert made.status == "Draft"
    assert any(fault.startswith("why_3 ") for fault in made.faults)
    assert "To correct" in render(made)


def test_roles_and_words_that_contain_a_name_are_fine() -> None:
    """The check reads words, not letters."""
    assert faults({"why_1": "The planner on call announced the change."}, ("Ann",)) == ()


def test_unknown_answers_are_left_out(incident: Incident, entries: list[Entry]) -> None:
    """An answer to no question does not slip into the page."""
    made = draft(incident, entries, entries[-1].at, answers={"gossip": "…"})
    assert made.answers == {}


def test_hostile_answers_stay_text(incident: Incident, entries: list[Entry]) -> None:
    """No answer can bring HTML into the page or end a table."""
    page = render(draft(incident, entries, entries[-1].at, answers={"summary": "<img src=x> | y"}))
    assert "<img" not in page
    assert "\\| y" in page
