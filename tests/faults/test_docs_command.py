"""`seatrial docs` and `why` through the real command, in a home with nothing but a ledger left."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.vocabulary import Entry
from tasks.ledger.adapters.sql import SqlLedger
from tests.browser.recorded import released
from tests.faults.stack_commands import seatrial

RELEASE = released()[0].release_id or ""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("kept"))


def kept(made: Path) -> Path:
    """A ledger that somebody has kept: no server runs, nothing was ever started here."""
    made.mkdir(exist_ok=True)
    ledger = SqlLedger(made / "ledger.db")
    lease = ledger.take_lease(RELEASE, "kept", datetime.now(UTC), timedelta(minutes=10))
    last = 0
    for entry in released():
        found: Entry = ledger.move(entry, lease, after=last) if entry.move else ledger.append(entry)
        last = found.seq if entry.move else last
    return made


def test_pages_are_written_from_the_ledger_alone(home: Path) -> None:
    """Without a server, again and again, and the same each time; it prints where they are."""
    ran = seatrial(home, "docs", RELEASE, "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert set(told) == {"release_id", "page", "model_card", "deployment_record", "evidence"}
    assert "canary-5.json" in os.listdir(told["evidence"])
    files = [Path(told[name]) for name in ("page", "model_card", "deployment_record")]
    before = [file.read_text() for file in files]
    assert "<title>flight-delay-better v2: released" in before[0]
    assert 'href="http' not in before[0]  # nothing is linked that nobody has started
    again = seatrial(home, "docs", RELEASE)
    assert again.code == 0
    assert all(str(file) in again.out for file in files)
    assert [file.read_text() for file in files] == before


def test_they_can_be_handed_over_in_a_folder_of_their_own(home: Path, tmp_path: Path) -> None:
    """An auditor's copy, and the way out when the home's disk is full."""
    ran = seatrial(home, "docs", RELEASE, "--to", str(tmp_path / "handed" / "over"))
    assert ran.code == 0
    assert {"page.html", "model_card.md"} <= set(os.listdir(tmp_path / "handed" / "over"))


def test_what_cannot_be_written_is_refused_with_advice(home: Path, tmp_path: Path) -> None:
    """A release nobody knows; a file in the folder's place."""
    ran = seatrial(home, "docs", "rel-nobody")
    assert (ran.code, ran.out) == (1, "")
    assert "There is no release rel-nobody" in ran.err
    assert "What to do: " in ran.err
    (tmp_path / "in-the-way").write_text("")
    ran = seatrial(home, "docs", RELEASE, "--to", str(tmp_path / "in-the-way"))
    assert (ran.code, ran.out) == (1, "")
    assert "could not be written" in ran.err
    assert "seatrial docs" in ran.err
