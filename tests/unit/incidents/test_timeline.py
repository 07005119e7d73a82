"""What happened when."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from policies.vocabulary import Entry
from tasks.incidents.timeline import timeline

HOUR = 3600.0


def test_no_entries_reach_nothing() -> None:
    """Clocks without events are unknown, not zero."""
    found = timeline([])
    assert found.rows == ()
    assert found.detected is None
    assert found.seconds_to_detect is found.seconds_to_contain is found.seconds_to_resolve is None


def test_the_clocks_of_a_rollback(entries: list[Entry]) -> None:
    """From first users to detected, contained and resolved; the measured time stays apart."""
    found = timeline(entries)
    assert found.seconds_to_detect == 6 * HOUR
    assert found.seconds_to_contain == 1 * HOUR
    assert found.seconds_to_resolve == 8 * HOUR
    assert found.seconds_to_zero_traffic == 0.31


def test_order_of_hand_over_does_not_matter(entries: list[Entry]) -> None:
    """The ledger's order counts."""
    assert timeline(list(reversed(entries))) == timeline(entries)


def test_every_row_names_its_entry(entries: list[Entry]) -> None:
    """Each line can be checked on the ledger, and lines are in its order."""
    rows = timeline(entries).rows
    assert {row.seq for row in rows} <= {entry.seq for entry in entries}
    assert all(one.seq < other.seq for one, other in pairwise(rows))


@pytest.mark.parametrize("kind", ["kill", "alert", "rollback_asked", "abort_asked"])
def test_a_person_may_notice_first(entries: list[Entry], kind: str) -> None:
    """The first alarm counts, whoever raised it."""
    alarm = entries[3].model_copy(
        update={
            "kind": kind,
            "move": False,
            "actor": "user:ann",
            "at": entries[3].at - timedelta(hours=2),
            "payload": {"reason": "odd answers"},
        }
    )
    found = timeline([*entries[:3], alarm, *entries[4:]])
    assert found.detected_by == "user:ann"
    assert found.seconds_to_detect == 4 * HOUR
    assert any("odd answers" in row.what for row in found.rows)


def test_a_release_still_open_is_not_resolved(entries: list[Entry]) -> None:
    """What has not happened yet has no time."""
    found = timeline(entries[:-1])
    assert found.contained is not None
    assert found.resolved is None


def test_mirrored_traffic_reaches_nobody(entries: list[Entry]) -> None:
    """A shadow answers no user: impact begins with the first step that has a share."""
    shadow = entries[2].model_copy(
        update={
            "at": entries[2].at - timedelta(days=7),
            "payload": entries[2].payload | {"plan": entries[2].payload["plan"] | {"weight_bp": 0}},
        }
    )
    found = timeline([*entries[:1], shadow, *entries[2:]])
    assert found.began == entries[2].at


def test_a_page_that_could_not_be_written_is_no_alarm(entries: list[Entry]) -> None:
    """A full disk says nothing about the candidate; it stands in the timeline all the same."""
    why = {"about": "documents", "why": "The page could not be written."}
    early = {"kind": "alert", "move": False, "payload": why, "at": entries[0].at}
    alert = entries[2].model_copy(update=early)
    found = timeline([*entries[:3], alert, *entries[3:]])
    assert found.detected == timeline(entries).detected
    assert "Alert: The page could not be written." in [row.what for row in found.rows]
