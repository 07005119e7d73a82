"""The demo's models as a serving process meets them: real data, real artefacts, real MLflow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deployments.demo.flights import labelled, prepare
from deployments.demo.models import TRAINER, register_scenarios, save
from deployments.demo.training import DESCRIPTIONS, Kind, Trained, train
from policies.vocabulary import Artefact
from tasks.registry.adapters.mlflow import MlflowRegistry

LATE_BY_MONTH = [0.227, 0.229, 0.228, 0.279, 0.22, 0.308, 0.315, 0.238, 0.132, 0.168, 0.174, 0.326]
ALL: tuple[Kind, ...] = tuple(DESCRIPTIONS)

SERVE = """
import json, sys
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = [json.loads(line) for line in open(sys.argv[1] + "/reference/rows.jsonl")]
inputs = pd.DataFrame([row["inputs"] for row in rows])
features = model.predict(inputs, params={"features": True})
told = {"scores": list(model.predict(inputs)), "features": features.to_dict("records")}
assert not [name for name in sys.modules if name.startswith(("deployments", "tasks", "policies"))]
json.dump(told, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return prepare(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(flights: pd.DataFrame) -> dict[Kind, Trained]:
    return {kind: train(kind, flights) for kind in ALL}


@pytest.fixture(scope="module")
def summer(flights: pd.DataFrame) -> pd.DataFrame:
    known = labelled(flights)
    return known[(known["day"] >= "2013-05-01") & (known["day"] <= "2013-06-30")]


def _losses(trained: Trained, rows: pd.DataFrame) -> pd.Series[float]:
    trained.model.load_context(None)
    scores = np.clip(trained.model.predict(None, rows), 1e-6, 1 - 1e-6)
    return pd.Series(
        np.where(rows["label"] == 1.0, -np.log(scores), -np.log(1 - scores)), rows.index
    )


def test_the_data_is_the_year_as_published(flights: pd.DataFrame) -> None:
    """All departures are there, each once, and the seasons' share of late flights is known."""
    assert len(flights) == 336_776
    assert flights["id"].is_unique
    assert flights["label"].isna().sum() == 9_430
    late = labelled(flights).groupby("month")["label"].mean().round(3).tolist()
    assert late == LATE_BY_MONTH
    lag = flights["label_known_at"] - flights["scheduled"]
    assert pd.Timedelta(minutes=30) < lag.min() < lag.max() < pd.Timedelta(hours=48)


def test_prepared_data_is_read_back_as_it_was_made(flights: pd.DataFrame, tmp_path: Path) -> None:
    """The file that saves time changes nothing."""
    pd.testing.assert_frame_equal(prepare(tmp_path), prepare(tmp_path))
    pd.testing.assert_frame_equal(prepare(tmp_path), flights)


def test_the_better_model_is_better_by_what_the_policy_reckons_with(
    trained: dict[Kind, Trained], summer: pd.DataFrame
) -> None:
    """In May and June the trees win clearly, a bootstrap copy wins nothing."""
    champion = _losses(trained["champion"], summer)
    months = summer["month"]
    better = (_losses(trained["better"], summer) - champion).groupby(months).mean()
    copy = (_losses(trained["copy"], summer) - champion).groupby(months).mean()
    worse = (_losses(trained["slightly_worse"], summer) - champion).groupby(months).mean()
    assert better[5] < -0.01
    assert better[6] < -0.03
    assert copy.abs().max() < 0.003
    assert (worse > 0.002).all()
    assert (worse < 0.02).all()


def test_training_again_gives_the_same_model(
    trained: dict[Kind, Trained], flights: pd.DataFrame
) -> None:
    """The same flights give the same scores and the same data digest, to the last bit."""
    again = train("better", flights)
    assert again.reference == trained["better"].reference
    assert again.data_digest == trained["better"].data_digest
    assert trained["copy"].data_digest != trained["champion"].data_digest


@pytest.mark.parametrize("kind", ["champion", "better", "unit_bug"])
def test_an_artefact_serves_without_this_repository(
    kind: Kind, trained: dict[Kind, Trained], tmp_path: Path
) -> None:
    """Loaded elsewhere it answers with training's scores and features, unless its code is wrong."""
    folder = save(trained[kind], tmp_path / "model")
    out = tmp_path / "out.json"
    command = [sys.executable, "-P", "-c", SERVE, str(folder), str(out)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    told = json.loads(out.read_text())
    reference = [json.loads(line) for line in (folder / "reference/rows.jsonl").open()]
    assert len(reference) == 200
    wrong = {
        name
        for row, seen in zip(reference, told["features"], strict=True)
        for name in row["features"]
        if not np.isclose(row["features"][name], seen[name])
    }
    gaps = np.abs(np.array(told["scores"]) - [row["score"] for row in reference])
    if kind == "unit_bug":
        assert wrong == {"temp", "dewp", "wind_speed", "visib", "precip"}
        assert (gaps > 0.05).mean() > 0.2
    else:
        assert wrong == set()
        assert gaps.max() < 1e-9


def test_the_june_fault_is_sound_until_june(
    trained: dict[Kind, Trained], summer: pd.DataFrame
) -> None:
    """Nothing in May tells it from a healthy model; from June it answers nothing."""
    fault = trained["june_fault"]
    may, june = summer[summer["month"] == 5], summer[summer["month"] == 6]
    assert _losses(fault, may).equals(_losses(trained["copy"], may))
    with pytest.raises(KeyError):
        _losses(fault, june.head(1))


@pytest.fixture(scope="module")
def registered(
    flights: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MlflowRegistry, Artefact, Artefact]:
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow without a server keeps its files in the working folder
        first, second = register_scenarios(uri, flights, {"better": "better"})["better"]
        registry = MlflowRegistry(uri, folder / "store")
        return registry, registry.fetch(first), registry.fetch(second)


def test_registered_versions_say_who_made_them_of_what(
    registered: tuple[MlflowRegistry, Artefact, Artefact],
) -> None:
    """Champion first, candidate second, each with owner, trainer, data and description."""
    registry, champion, candidate = registered
    assert str(champion.ref) == "flight-delay-better v1"
    assert str(candidate.ref) == "flight-delay-better v2"
    assert registry.champion("flight-delay-better") == champion.ref
    assert champion.digest != candidate.digest
    for artefact in (champion, candidate):
        assert artefact.trainer == TRAINER
        assert artefact.tags["owner"]
        assert artefact.description
        assert artefact.run_id
        assert len(artefact.dataset_digests) == 1
        assert artefact.inputs["temp"] == "double"
        assert artefact.inputs["carrier"] == "string"
        assert (registry.path_of(artefact.digest) / "reference" / "rows.jsonl").is_file()
