"""An incident as a value."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policies.errors import IllegalMoveError
from policies.lifecycle import fold
from policies.vocabulary import Entry
from tasks.incidents.incident import incident_of

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_a_release_that_was_not_stopped_has_no_incident(entries: list[Entry]) -> None:
    """No incident is made up for a release that goes on."""
    with pytest.raises(IllegalMoveError):
        incident_of(fold(entries[:4]), NOW)


def test_the_incident_tells_what_people_need(entries: list[Entry]) -> None:
    """Severity, share, reason and whom to call, from the release and its own policy."""
    found = incident_of(fold(entries), NOW)
    assert found.incident_id == "inc-1"
    assert (found.severity, found.weight_bp, found.stage) == ("SEV3", 500, "canary 5 %")
    assert found.on_call
    assert found.runbook
    assert found.seconds_to_zero_traffic == 0.31


def test_until_containment_is_seen_it_is_the_worst(entries: list[Entry]) -> None:
    """Between intent and observation the candidate counts as serving: SEV1."""
    assert incident_of(fold(entries[:5]), NOW).severity == "SEV1"


def test_the_same_release_has_the_same_incident(entries: list[Entry]) -> None:
    """Opened again after a crash it is the same incident, not a second one."""
    state = fold(entries)
    assert incident_of(state, NOW) == incident_of(state, NOW)
