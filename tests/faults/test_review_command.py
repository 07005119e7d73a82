"""``seatrial review`` as a person runs it, on a home that holds nothing but a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.connections import Settings
from tasks.ledger.adapters.sql import SqlLedger
from tasks.ledger.record import note
from tests.faults.stack_commands import seatrial

MODEL = "tiny"
WORDS = ("review", MODEL, "--as", "Mia", "--reason", "the tier still fits")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A model adopted a year ago, whose review was asked for this month."""
    now = datetime.now(UTC)
    for kind, payload, days in (
        ("adopted", {"model": MODEL, "version": "1", "digest": None}, 400),
        ("risk_review_due", {"why": "Never reviewed.", "packet": "documents/p.md"}, 3),
    ):
        at = now - timedelta(days=days)
        note(ledger(tmp_path), kind, payload, at=at, actor="system:rerisk", model=MODEL)
    return tmp_path


def ledger(home: Path) -> SqlLedger:
    return SqlLedger(home / "ledger.db")


def test_a_review_goes_on_the_record(home: Path) -> None:
    """Who, why, and since when the risk had not been judged; `why` tells it in words."""
    ran = seatrial(home, *WORDS)
    assert ran.code == 0, ran.err
    assert "The risk of tiny is reviewed by Mia, on the record." in " ".join(ran.out.split())
    last = ledger(home).entries()[-1]
    assert (last.kind, last.actor, last.payload["reason"]) == (
        "risk_reviewed", "Mia", "the tier still fits",
    )  # fmt: skip
    told = " ".join(seatrial(home, "why", MODEL).out.split())
    assert "asked for a risk review" in told and "reviewed the risk" in told
    assert seatrial(home, *WORDS, "--json").json["by"] == "Mia"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("review", "ghost", "--reason", "x"), "never been in service"),
        (("review", MODEL, "--reason", "  "), "needs its reason"),
    ],
)
def test_what_is_no_review_is_refused(home: Path, words: tuple[str, ...], told: str) -> None:
    """Nothing is recorded, and what to do is said."""
    before = len(ledger(home).entries())
    ran = seatrial(home, *words)
    assert (ran.code, ran.out) == (1, "")
    assert told in ran.err and "What to do: " in ran.err
    assert len(ledger(home).entries()) == before


def test_a_broken_catalogue_hides_no_review(home: Path) -> None:
    """The review is on the record; that its successor cannot be dated is said, and why."""
    catalog = home / "catalog"
    catalog.mkdir()
    (catalog / "own.yaml").write_text("policy: own\nextends: medium\nno_such_field: 1\n")
    settings = Settings(
        prefect_api="", prefect_ui="", mlflow_uri="", control_url="", gateway_urls=(),
        catalog=str(catalog),
    )  # fmt: skip
    (home / "settings.json").write_text(settings.model_dump_json())
    ran = seatrial(home, *WORDS)
    assert ran.code == 0, ran.err
    told = " ".join(ran.out.split())
    assert "on the record" in told and "cannot be said" in told and "no_such_field" in told
    assert ledger(home).entries()[-1].kind == "risk_reviewed"
