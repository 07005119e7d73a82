"""The page of the evidence format names everything that is in an evidence file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from policies.vocabulary import (
    Counts,
    Entry,
    Evidence,
    Judged,
    Moments,
    ReasonCode,
    Verdict,
    WindowPair,
)
from tasks.evidence.evidence_file import FORMAT, FORMAT_VERSION, EvidenceFile, Looking, Opening
from tasks.evidence.sequential import STATISTICS_VERSION

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "evidence-format.md").read_text()
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))
PARTS = [EvidenceFile, Entry, Opening, Looking, Evidence, WindowPair, Moments, Counts, Verdict,
         Judged]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_is_described(part: type[BaseModel]) -> None:
    assert set(part.model_fields) <= NAMED


def test_every_version_and_code_is_described() -> None:
    """The versions of this code stand in the tables; so does every reason code."""
    assert {FORMAT, FORMAT_VERSION} <= NAMED
    assert f"\n| {STATISTICS_VERSION} | " in PAGE
    assert {code for code in get_args(ReasonCode) if code} <= NAMED
