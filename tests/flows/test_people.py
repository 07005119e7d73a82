"""Real people: a model that is better overall, and worse for those with a physical limitation.

Who they are and what they did is recorded (`deployments/demo/visits.py`); on which day they ask is
drawn. The policy is the demo's, with shorter steps and no people to wait for: no group may be left
further behind than its margin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from deployments.demo.visits import INPUTS, TEXTS, asking
from policies.vocabulary import Artefact, Finding, ModelRef, TrafficVariant
from tasks.connections import use
from tasks.evidence.evidence_file import evidence_of, read_evidence
from tasks.evidence.recompute import Answer, recompute
from tests.flows.memory_world import MODEL, UNSET, MemoryWorld, Row, Told
from tests.people import visits

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
YES, UNKNOWN = (f"quality · gap of physical_limitation {value}" for value in ("yes", "unknown"))
VISITS = {"policy": "visits"}


@cache
def _asking() -> tuple[list[Row], list[float]]:
    people = asking()
    return people[INPUTS].to_dict("records"), people["label"].tolist()


@cache
def _scores(kind: str) -> dict[tuple[Any, ...], float]:
    """By what a request says; who says the same is answered the same."""
    rows, _ = _asking()
    return {
        tuple(row.values()): float(score)
        for row, score in zip(rows, visits.scores(kind), strict=True)
    }


class PeopleWorld(MemoryWorld):
    """A version is a folder that names its model; who asks is drawn, one every two minutes."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.every = timedelta(minutes=2)

    def add(self, version: str, kind: str) -> None:
        folder = self.home.path / "models" / version
        (folder / "reference").mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"kind": kind}))
        rows, _ = _asking()
        sample = [{"inputs": r, "score": _scores(kind)[tuple(r.values())]} for r in rows[:40]]
        lines = "".join(json.dumps(line) + "\n" for line in sample)
        (folder / "reference" / "rows.jsonl").write_text(lines)
        inputs = {name: "string" if name in TEXTS else "double" for name in INPUTS}
        ref = ModelRef(model=MODEL, version=version)
        self.registry.add(folder, Artefact(ref=ref, digest=UNSET, inputs=inputs, trainer="tom"))

    def answer(self, variant: TrafficVariant, row: Row) -> float | None:
        kind = self._model(variant.digest)["kind"]
        return _scores(kind)[tuple(row[name] for name in INPUTS)]

    def features(self, variant: TrafficVariant, row: Row) -> Row:
        return {name: row[name] for name in INPUTS}

    def row(self, number: int) -> tuple[Row, float]:
        rows, labels = _asking()
        who = Random(number).randrange(len(rows))
        return rows[who], labels[who]

    def turns(self, candidate: TrafficVariant, weight_bp: int) -> bool:
        return False

    def fails(self, candidate: TrafficVariant, weight_bp: int, number: int) -> bool:
        return False


@pytest.fixture
def world(prefect_server: None, tmp_path: Path) -> Iterator[PeopleWorld]:
    """A model that knows the insurance plan alone has served for two days."""
    made = PeopleWorld(tmp_path)
    made.add("1", "champion")
    with use(made):
        made.adopt("1")
        yield made


def last(told: Told) -> dict[str, Any]:
    """The last look: its evidence by name, and its verdict."""
    payload = [entry.payload for entry in told.entries if entry.kind == "looked"][-1]
    return {item["name"]: item for item in payload["evidence"]} | {"verdict": payload["verdict"]}


def test_a_model_that_is_fair_to_the_group_is_released(world: PeopleWorld) -> None:
    """Better for everybody alike: the gap is shown to be within its margin at every step."""
    world.add("2", "fair")
    told = world.release("2", **VISITS)
    assert told.ended == "RELEASED", told.state.message
    seen = last(told)
    codes = {item["name"]: item["code"] for item in seen["verdict"]["judged"]}
    assert codes[YES] == "within_margin"
    assert seen[YES]["margin"] == 0.1 and abs(seen[YES]["effect"]) < 0.05
    assert (seen[YES]["required"], seen[UNKNOWN]["required"]) == (True, False)
    assert f"Reported, and not waited for: {UNKNOWN}" in seen["verdict"]["reason"]


def test_better_overall_and_worse_for_one_group_never_meets_users(world: PeopleWorld) -> None:
    """The gap stops it in the shadow with its margin; without the gap it would have passed."""
    world.add("3", "unfair")
    told = world.release("3", **VISITS)
    assert told.ended == "ROLLED BACK", told.state.message
    assert told.steps() == ["staging", "shadow"]
    assert told.one("closed").payload["exposed_requests"] == 0
    containing = told.one("containing").payload
    assert containing["finding"] == Finding.HARMFUL
    assert containing["reason"].startswith(f"{YES} is worse than 0.03 allows: effect +0.1")
    seen = last(told)
    judged = {item["name"]: item for item in seen["verdict"]["judged"]}
    assert (judged["quality"]["code"], judged[YES]["code"]) == ("within_margin", "harm_proven")
    assert seen["quality"]["effect"] < -0.01 and seen[YES]["effect"] > 0.08
    assert_told(world, told)


def assert_told(world: PeopleWorld, told: Told) -> None:
    """Recomputed from its file alone, and on the page with its margin, rows and meaning."""
    looks = [entry for entry in told.entries if entry.kind == "looked"]
    for look in looks:
        found = recompute(read_evidence(evidence_of(told.entries, look.seq).encode()))
        assert (found.answer, found.differences) == (Answer.SAME, ())
    page = (world.home.path / "documents" / told.release_id / "page.html").read_text()
    assert YES in page and "leaves the group further behind" in page
