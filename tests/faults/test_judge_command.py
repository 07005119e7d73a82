"""`seatrial judge` through the real command: its answers, and what it says to anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tasks.evidence.evidence_file import evidence_of
from tests.browser.recorded import released
from tests.faults.stack_commands import seatrial
from tests.faults.test_docs_command import kept
from tests.unit.evidence.recorded_look import document, entries, put, restamped, text

NOWHERE = Path("/nonexistent")


def written(folder: Path, data: str | bytes) -> str:
    file = folder / "look.json"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(file)


def test_the_same_verdict_is_told_with_its_numbers(tmp_path: Path) -> None:
    """Exit 0, in a place without a home; each item with its code and what would change it."""
    file = written(tmp_path, text())
    ran = seatrial(NOWHERE, "judge", file)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("PASS at canary 5 %, look 3: m v2, rel-1, 2013-06-20 04:00 UTC")
    assert "Same verdict" in ran.out
    assert "quality [within_margin]: To stay safe it needs e-value 20, has" in ran.out
    data = seatrial(NOWHERE, "judge", file, "--json").json
    assert (data["answer"], data["differences"]) == ("same", [])
    assert data["recorded"] == data["recomputed"]
    quality = data["items"][0]
    assert quality["code"] == "within_margin"
    assert quality["safe"]["needed"] == pytest.approx(20)


def test_what_differs_is_named_with_exit_4(tmp_path: Path) -> None:
    """Even where every digest was made to fit again."""
    place = ("looked", "payload", "evidence", 0, "windows", 4, "paired", "mean")
    file = written(tmp_path, restamped(put(document(), place, 0.4)))
    ran = seatrial(NOWHERE, "judge", file)
    assert ran.code == 4
    assert "NOT the recorded verdict" in ran.out
    assert "quality: log_e_safe is recorded as" in ran.out
    assert " apart." in ran.out
    assert "What to do: write the file again from the ledger" in ran.err


def test_older_statistics_are_told_with_exit_3(tmp_path: Path) -> None:
    """Neither the same nor different: it was not recomputed."""
    file = written(tmp_path, evidence_of(entries(statistics="1")))
    ran = seatrial(NOWHERE, "judge", file)
    assert ran.code == 3
    assert "Not recomputed: statistics 1 judged it" in ran.out
    assert "What to do: " in ran.err
    assert seatrial(NOWHERE, "judge", file, "--json").json["recomputed"] is None


@pytest.mark.parametrize("what", ["absent", "folder", "pipe", "endless", "not json", "empty"])
def test_anything_else_is_refused_with_advice(what: str, tmp_path: Path) -> None:
    """Exit 1 and what to do; never a traceback, never a wait without end."""
    place = tmp_path / "look.json"
    if what == "folder":
        place.mkdir()
    elif what == "pipe":
        os.mkfifo(place)
    elif what == "endless":
        place.symlink_to("/dev/zero")
    elif what == "not json":
        place.write_text("{'verdict': 'PASS'}")
    elif what == "empty":
        place.touch()
    ran = seatrial(NOWHERE, "judge", str(place))
    assert (ran.code, ran.out) == (1, "")
    assert "What to do: " in ran.err
    assert "Traceback" not in ran.err


def test_a_look_on_the_record_is_written_by_its_number(tmp_path: Path) -> None:
    """From a real ledger, through both commands: by its entry's number; else the last."""
    home = kept(tmp_path / "kept")
    release = released()[0].release_id or ""
    file = tmp_path / "look.json"
    ran = seatrial(home, "why", release, "--evidence", str(file), "--json")
    assert (ran.code, ran.json["evidence"]) == (0, str(file))
    assert json.loads(file.read_text())["looked"]["payload"]["step"] == "soak"
    ran = seatrial(home, "why", release, "--evidence", str(file), "--entry", "1")
    assert ran.code == 1
    assert "Entry 1 is no look" in ran.err
    assert "The looks of this release are the entries: " in ran.err
    assert seatrial(home, "why", release, "--entry", "1").code == 2
