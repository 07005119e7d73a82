"""The demo's models as a serving process meets them: real data, real artefacts, real MLflow."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deployments.demo.demo_world import Trained
from deployments.demo.flight_world import FLIGHTS
from deployments.demo.flights import INPUTS, labelled, prepare
from deployments.demo.models import TRAINER, register, save
from deployments.demo.recipes import RECIPES, Kind
from deployments.demo.training import train
from policies.vocabulary import Artefact
from tasks.registry.adapters.mlflow import MlflowRegistry
from tests.demo_world.elsewhere import told_elsewhere

LATE_BY_MONTH = [0.227, 0.229, 0.228, 0.279, 0.22, 0.308, 0.315, 0.238, 0.132, 0.168, 0.174, 0.326]
ALL: tuple[Kind, ...] = tuple(RECIPES)


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
    lag = flights["label_known_at"] - flights["asked_at"]
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


# What offline and online see differently: the features by name, and whether the scores do too.
APART: dict[Kind, tuple[set[str], bool]] = {
    "champion": (set(), False),
    "better": (set(), False),
    "unit_bug": ({"temp", "dewp", "wind_speed", "visib", "precip"}, True),
    "leaky": ({"dep_delay"}, True),
    "wrong_encoding": (set(), True),
    "segment_lga": (set(), False),
    "overload": (set(), False),
}


@pytest.mark.parametrize("kind", APART)
def test_an_artefact_serves_without_this_repository(
    kind: Kind, trained: dict[Kind, Trained], tmp_path: Path
) -> None:
    """Loaded elsewhere it answers with training's scores and features, unless its code is wrong."""
    folder = save(trained[kind], FLIGHTS.inputs, tmp_path / "model")
    reference, told = told_elsewhere(folder, tmp_path)
    assert len(reference) == 200
    wrong = {
        name
        for row, seen in zip(reference, told["features"], strict=True)
        for name in row["features"]
        if not _same(row["features"][name], seen[name])
    }
    gaps = np.abs(np.array(told["scores"]) - [row["score"] for row in reference])
    features, scores = APART[kind]
    assert wrong == features
    if scores:
        assert (gaps > 0.05).mean() > 0.2
    else:
        assert gaps.max() < 1e-9


def _same(offline: object, online: object) -> bool:
    if isinstance(offline, str) or isinstance(online, str):
        return offline == online
    return bool(np.isclose(offline, online))  # type: ignore[arg-type]


def test_each_fault_is_the_fault_it_is_said_to_be(
    trained: dict[Kind, Trained], summer: pd.DataFrame
) -> None:
    """Too sure, too old, blind at one airport: shown by the losses, nowhere by a label."""
    better, champion = _losses(trained["better"], summer), _losses(trained["champion"], summer)
    assert _losses(trained["overconfident"], summer).mean() > champion.mean() + 0.2
    assert _losses(trained["stale"], summer).mean() > champion.mean() + 0.05
    blind = _losses(trained["segment_lga"], summer) - champion
    lga = summer["origin"] == "LGA"
    assert blind[lga].mean() > 0.05
    assert blind[~lga].equals((better - champion)[~lga])
    assert blind.mean() < 0.02


def test_the_fragile_one_breaks_where_no_winter_day_has_been(
    trained: dict[Kind, Trained], summer: pd.DataFrame
) -> None:
    """It answers like the champion drawn anew until the air is hotter than its table."""
    fragile = trained["fragile"]
    mild = summer[summer["temp"] < 89]
    assert _losses(fragile, mild).equals(_losses(trained["copy"], mild))
    with pytest.raises(KeyError, match=r"^[89]"):
        _losses(fragile, summer[summer["temp"] >= 89].head(1))


def test_the_overloaded_one_is_quick_for_few_and_for_what_is_only_mirrored(
    trained: dict[Kind, Trained], summer: pd.DataFrame
) -> None:
    """Its cost grows with the square of the answers it really gives."""
    model, rows = trained["overload"].model, summer[INPUTS]
    model.load_context(None)

    def seconds(count: int, params: dict[str, bool] | None = None) -> float:
        begun = time.perf_counter()
        model.predict(None, rows.head(count), params)
        return time.perf_counter() - begun

    seconds(1)
    assert seconds(3) < 0.1
    assert seconds(40) > 1.0
    assert seconds(200, {"mirrored": True}) < 0.5


def test_another_seed_draws_other_flights(flights: pd.DataFrame) -> None:
    """Champion and candidates of another seed are other models of the same recipe."""
    drawn = train("champion", flights, seed=1)
    assert drawn.data_digest != train("champion", flights).data_digest
    assert drawn.data_digest == train("champion", flights, seed=1).data_digest


@pytest.fixture(scope="module")
def registered(
    flights: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MlflowRegistry, Artefact, Artefact]:
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow without a server keeps its files in the working folder
        registry = MlflowRegistry(uri, folder / "store")
        first, second = (
            register(uri, FLIGHTS, "flight-delay-better", train(kind, flights))
            for kind in ("champion", "better")
        )
        return registry, registry.fetch(first), registry.fetch(second)


def test_registered_versions_say_who_made_them_of_what(
    registered: tuple[MlflowRegistry, Artefact, Artefact],
) -> None:
    """Champion first, candidate second, each with owner, trainer, data and description."""
    registry, champion, candidate = registered
    assert str(champion.ref) == "flight-delay-better v1"
    assert str(candidate.ref) == "flight-delay-better v2"
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
