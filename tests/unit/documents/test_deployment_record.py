"""The deployment record: read from the ledger, typed by nobody."""

from __future__ import annotations

from pathlib import Path

from policies.vocabulary import Entry
from tasks.documents.deployment_record import ROLLBACK_CHECK, deployment_record
from tasks.documents.document import statement
from tasks.documents.rendering import render


def test_a_release_still_open_does_not_claim_an_outcome(entries: list[Entry]) -> None:
    """Before the last entry the outcome is not applicable yet, and says why."""
    record = deployment_record(entries[:5])
    assert record.field("outcome").status == "not_applicable"
    assert record.field("approvals").status == "missing"


def test_who_what_when_on_which_evidence(entries: list[Entry]) -> None:
    """Requester, trainer, approver, digests, steps and outcome are all there."""
    page = render(deployment_record(entries))
    for told in ("rita", "tom", "ann", "SHA256:key", "a" * 64, "c" * 64, "rolled_back", "1,234"):
        assert told in page, told


def test_steps_begin_and_end(entries: list[Entry]) -> None:
    """Each step ends when the next begins; the last when traffic was contained."""
    table = deployment_record(entries).field("steps").table
    assert table is not None
    assert [row[0] for row in table.rows] == ["staging", "shadow", "canary 5 %"]
    assert table.rows[0][3] == table.rows[1][2]
    assert table.rows[2][3] == "2026-03-10 14:00"
    assert table.rows[2][4] == "ROLL BACK"


def test_the_ledger_range_is_named(entries: list[Entry]) -> None:
    """An auditor knows which entries to verify, whatever order they were handed over in."""
    record = deployment_record(list(reversed(entries)))
    first, last = entries[0].seq, entries[-1].seq
    assert record.field("ledger_range").text == f"{first} to {last}"
    assert record.field("ledger_hash").text == f"hash-{last}"


def test_as_a_statement_its_subject_is_the_artefact(entries: list[Entry]) -> None:
    """The in-toto subject carries the digest of what was released."""
    made = statement(deployment_record(entries))
    assert made["subject"] == [{"name": "delay v2", "digest": {"sha256": "a" * 64}}]
    assert made["predicateType"].endswith("/deployment_record/v1")


def test_what_no_entry_tells_is_missing(entries: list[Entry]) -> None:
    """A commit or a data set that nobody recorded is missing: an empty text fills nothing."""
    record = deployment_record(entries)
    assert {"code_commit", "dataset_digests", "drills"} <= set(record.missing())


def test_that_the_rollback_target_answered_is_on_the_record(entries: list[Entry]) -> None:
    """It is found under the name that the staging check writes, which is read from its source."""
    table = deployment_record(entries).field("readiness").table
    assert table is not None
    assert table.rows == (("rollback target", "0", "0", "ok"),)
    check = (Path(__file__).parents[3] / "tasks" / "traffic" / "trial.py").read_text()
    assert f'name="{ROLLBACK_CHECK}"' in check
    silent = [entry for entry in entries if entry.kind != "looked"]
    assert deployment_record(silent).field("readiness").status == "missing"
