"""A model of another kind: a message in, how likely it is spam out.

Real model folders in MLflow's format, scored by the gateway's own worker process, under a policy
that `seatrial policy new` wrote. Messages come from a small grammar; nothing here knows a number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli.policy import app as policy_command
from deployments.gateway.options import Options
from deployments.gateway.variant import Key, LoadedVariant, load_variant
from policies.vocabulary import Artefact, ModelRef, TrafficVariant
from tasks.connections import use
from tasks.registry.adapters.mlflow import signature_inputs
from tasks.registry.reference import write_reference
from tasks.traffic.adapters.memory import MemoryServingPlane
from tasks.traffic.ports import Probe
from tests.flows.memory_world import MODEL, UNSET, Happening, MemoryWorld, Row

pytestmark = pytest.mark.long
FRIENDLY = [
    "thanks",
    "see",
    "you",
    "at",
    "lunch",
    "tomorrow",
    "report",
    "is",
    "ready",
    "call",
    "me",
]
PUSHY = ["prize", "winner", "click", "free", "offer", "cash", "now", "urgent", "claim", "bonus"]
EITHER = ["please", "your", "new", "today", "we", "for", "a", "the", "and"]
# What a team that knows its traffic writes below what `policy new` wrote: fewer looks.
OURS = """
canary: {look_every_hours: 24}
ramp:
  - {weight_bp: 3000, min_days: 1, look_every_hours: 24, deadline_days: 6, margin_factor: 2,
     min_rows: 200}
full: {look_every_hours: 24, min_days: 1, min_rows: 200}
"""


@cache
def message(number: int, turned: bool = False) -> tuple[str, float]:
    """One message and whether it was spam. Once it has turned, friends send prizes."""
    chance = Random(number % 500)
    spam = chance.random() < 0.4
    own, other = (PUSHY, FRIENDLY) if spam else (FRIENDLY, PUSHY)
    words = [
        chance.choice(own if chance.random() < 0.3 else other if chance.random() < 0.2 else EITHER)
        for _ in range(8)
    ]
    return " ".join(words), float(spam != turned)


def train(words: Sequence[str], seen: int, shout: bool = False) -> Any:
    """TF-IDF over the words it may look at, and a logistic regression."""
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = [message(number) for number in range(seen)]
    reader = make_column_transformer(
        (TfidfVectorizer(vocabulary=sorted(set(words)), lowercase=not shout), "message")
    )
    texts = [text.upper() if shout else text for text, _ in rows]
    return make_pipeline(reader, LogisticRegression(C=3)).fit(_table(texts), [y for _, y in rows])


def _table(texts: Sequence[str]) -> Any:
    import pandas as pd

    return pd.DataFrame({"message": list(texts)})


class WorkerPlane(MemoryServingPlane):
    """Plans are obeyed at once; scores come from the gateway's worker, one process a version."""

    def __init__(self, world: TextWorld) -> None:
        super().__init__(world.router, world.answer)
        self._world = world

    def probe(
        self, model: str, variant: str, rows: Sequence[Row], *, timed_calls: int = 0
    ) -> Probe:
        plan = self._plan(model)
        asked: TrafficVariant = getattr(plan, variant)
        champion = self._world.loaded(plan.champion.digest) if plan.champion else None
        loaded = self._world.loaded(asked.digest)
        return loaded.probe(rows, timed_calls, features=True, champion=champion)


class TextWorld(MemoryWorld):
    def __init__(self, home: Path, catalog: Path) -> None:
        super().__init__(home)
        self.settings = self.settings.model_copy(update={"catalog": str(catalog)})
        self.serving = WorkerPlane(self)
        self.every = timedelta(minutes=3)
        self.turned = False
        self._loaded: dict[str, LoadedVariant] = {}
        self._scores: dict[str, dict[str, float | None]] = {}

    def add(self, version: str, model: Any) -> None:
        """A model folder as a trainer leaves it: signature, probabilities, reference rows."""
        import mlflow.sklearn
        from mlflow.models import infer_signature

        folder = self.home.path / "models" / version
        sample = _table([message(number)[0] for number in range(40)])
        scores = model.predict_proba(sample)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.sklearn.save_model(
                model, str(folder), signature=infer_signature(sample, scores),
                pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle",
                pip_requirements=[],
            )  # fmt: skip
        write_reference(folder, sample.to_dict("records"), scores[:, 1])
        inputs, optional = signature_inputs(version, folder)
        ref = ModelRef(model=MODEL, version=version)
        self.registry.add(folder, Artefact(ref=ref, digest=UNSET, inputs=inputs, trainer="tom"))
        assert (inputs, optional) == ({"message": "string"}, ())

    def loaded(self, digest: str) -> LoadedVariant:
        if digest not in self._loaded:
            # A busy machine must not look like a slow model: the deadline is not what is tested.
            options = Options(home=self.home.path, replica="test", deadline_seconds=60)
            self._loaded[digest] = load_variant(Key(digest, isolated=True), options, Event())
        return self._loaded[digest]

    def answer(self, variant: TrafficVariant, row: Row) -> float | None:
        """Each of the few hundred messages is scored once, by the worker."""
        if variant.digest not in self._scores:
            texts = sorted({message(number)[0] for number in range(500)})
            probe = self.loaded(variant.digest).probe(
                [{"message": text} for text in texts], 0, features=False
            )
            self._scores[variant.digest] = dict(zip(texts, probe.scores, strict=True))
        return self._scores[variant.digest][row["message"]]

    def row(self, number: int) -> tuple[Row, float]:
        text, spam = message(number, self.turned)
        return {"message": text}, spam

    def turns(self, candidate: TrafficVariant, weight_bp: int) -> bool:
        return False

    def fails(self, candidate: TrafficVariant, weight_bp: int, number: int) -> bool:
        return False

    def turn(self) -> None:
        self.turned = True

    def close(self) -> None:
        for variant in self._loaded.values():
            variant.end()


@pytest.fixture
def world(prefect_server: None, tmp_path: Path) -> Iterator[TextWorld]:
    """A model that reads friendly words alone serves; a policy written a minute ago rules."""
    catalog = tmp_path / "catalog"
    words = ["new", "spam", "--tier", "low", "--independent", "--model", MODEL,
             "--horizon-hours", "6", "--catalog", str(catalog)]  # fmt: skip
    assert CliRunner().invoke(policy_command, words).exit_code == 0
    path = catalog / "spam.yaml"
    # A busy machine must not look like a slow model: how quick it is is no part of this story.
    patient = path.read_text().replace("staging:", "staging:\n  serving: {latency_ratio: 1000}")
    path.write_text(patient + OURS)
    made = TextWorld(tmp_path / "home", catalog)
    made.add("1", train(FRIENDLY, 100))
    with use(made):
        made.adopt("1")
        made.clock.real_seconds_until(MODEL, made.clock.now(MODEL) + timedelta(days=1))
        try:
            yield made
        finally:
            made.close()


def signed_by_nobody(catalog: Path) -> None:
    """These stories are about the model; signatures have their own."""
    with (catalog / "spam.yaml").open("a") as file:
        file.write("approvals: []\n")


def test_a_better_reader_is_released(world: TextWorld, tmp_path: Path) -> None:
    """From staging to the end of the soak, by the same release as any table of numbers."""
    signed_by_nobody(tmp_path / "catalog")
    world.add("2", train([*FRIENDLY, *PUSHY], 400))
    told = world.release("2", policy=None)
    assert told.ended == "RELEASED", told.state.message
    assert told.steps() == ["staging", "shadow", "canary 5 %", "ramp 30 %", "full", "soak"]
    assert world.plan.champion is not None
    assert world.plan.champion.digest == world.digest("2")
    assert told.one("opened").payload["policy"] == "spam"


def test_a_reader_trained_on_shouted_words_is_refused(world: TextWorld, tmp_path: Path) -> None:
    """It knows upper case alone: on real messages it says the same of each, and that shows."""
    signed_by_nobody(tmp_path / "catalog")
    world.add("2", train([word.upper() for word in [*FRIENDLY, *PUSHY]], 400, shout=True))
    told = world.release("2", policy=None)
    assert told.ended == "REFUSED", told.state.message
    assert "log loss failed" in str(told.one("closed").payload["reason"])
    assert world.plan.champion is not None
    assert world.plan.champion.digest == world.digest("1")


def test_a_reader_whose_words_change_sides_is_rolled_back(world: TextWorld, tmp_path: Path) -> None:
    """Better in staging; then the words that it trusts most mean the contrary, and no user pays."""
    signed_by_nobody(tmp_path / "catalog")
    world.add("2", train([*FRIENDLY, *PUSHY], 400))
    world.happenings.append(Happening("shadow", world.turn))
    told = world.release("2", policy=None)
    assert told.ended == "ROLLED BACK", told.state.message
    assert "quality" in str(told.one("closed").payload["reason"])
    assert told.steps() == ["staging", "shadow"]
    assert world.plan.candidate is None
