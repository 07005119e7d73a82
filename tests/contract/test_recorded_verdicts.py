"""The looks of a real ledger, each written to a file and judged from it alone."""

from __future__ import annotations

import pytest

from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.recompute import Answer, recompute
from tasks.evidence.sequential import STATISTICS_VERSION
from tests.browser.recorded import refused, released

RELEASES = [released(), refused()]
LOOKS = [(n, entry.seq) for n, entries in enumerate(RELEASES) for entry in entries
         if entry.kind == "looked"]  # fmt: skip


@pytest.mark.parametrize(("release", "seq"), LOOKS, ids=[f"entry {seq}" for _, seq in LOOKS])
def test_a_recorded_verdict_is_the_one_its_file_gives(release: int, seq: int) -> None:
    """Word for word; recomputed from the windows if its statistics are those of this code.

    A record of older statistics says so, and its e-values still give its verdict.
    """
    entries = RELEASES[release]
    payload = next(entry.payload for entry in entries if entry.seq == seq)
    found = recompute(read_evidence(evidence_of(entries, seq).encode()))
    assert found.differences == ()
    is_current = found.statistics == STATISTICS_VERSION
    assert found.answer is (Answer.SAME if is_current else Answer.NOT_RECOMPUTED)
    assert found.statistics == entries[0].payload["versions"]["statistics"]
    assert found.verdict.decision.value == payload["verdict"]["decision"]
    assert [judged.reason for judged in found.verdict.judged] == [
        judged["reason"] for judged in payload["verdict"]["judged"]
    ]
