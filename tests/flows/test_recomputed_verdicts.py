"""What the flow decided is what its evidence files decide, look by look."""

from __future__ import annotations

import pytest

from policies.vocabulary import Entry
from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.recompute import Answer, Recomputed, recompute
from tests.flows.memory_world import MemoryWorld, Told


def recomputed(told: Told) -> list[tuple[Entry, Recomputed]]:
    looks = [entry for entry in told.entries if entry.kind == "looked"]
    texts = [evidence_of(told.entries, look.seq) for look in looks]
    found = [recompute(read_evidence(text.encode())) for text in texts]
    return list(zip(looks, found, strict=True))


STORIES = [
    ("a better model is released", "score", {"slope": 2.0}, "RELEASED"),
    ("one that fails for users is rolled back", "score",
     {"slope": 2.0, "fails_from_bp": 3000}, "ROLLED BACK"),
    ("one that brings less is rolled back", "score-paid", {"slope": 2.0}, "ROLLED BACK"),
    ("requests that are independent of each other", "score-by-request", {"slope": 2.0},
     "RELEASED"),
    ("each model is judged by whom it answered", "score-randomised", {"slope": 2.0}, "RELEASED"),
    ("each group is watched by itself", "score-watched", {"slope": 2.0}, "RELEASED"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "policy", "knobs", "ended"), STORIES, ids=[s[0] for s in STORIES])
def test_every_look_is_recomputed_to_what_was_decided(
    name: str, policy: str, knobs: dict[str, float], ended: str, world: MemoryWorld
) -> None:
    """Verdict, findings, reasons and every number: the same, from the file alone."""
    world.register("3", **knobs)
    if policy == "score-paid":
        world.earns = lambda arm, _: {"champion": 10.0, "candidate": 2.0}[arm]
    told = world.release("3", policy=policy)
    assert told.ended == ended
    looks = recomputed(told)
    assert len({entry.payload["step"] for entry, _ in looks}) >= 3
    for entry, found in looks:
        where = f"{entry.payload['step']}, look {entry.payload['look']}"
        assert (where, found.answer, found.differences) == (where, Answer.SAME, ())
        assert found.verdict.plain() == entry.payload["verdict"]
    folder = world.home.path / "documents" / told.release_id / "evidence"
    last = {entry.payload["step"]: entry.seq for entry, _ in looks}
    assert {evidence_of(told.entries, seq) for seq in last.values()} == {
        file.read_text() for file in folder.iterdir()
    }
