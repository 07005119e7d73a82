"""Logging and registering the demo's models in MLflow, as a training pipeline would."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from deployments.demo.demo_world import DemoWorld, Trained
from policies.vocabulary import ModelRef

TRAINER = "erin"  # an alias of the engineer in ``people``: may not approve her own model
NEEDED = ("mlflow", "scikit-learn", "pandas", "numpy", "cloudpickle", "threadpoolctl")


def signature(model: Any, inputs: Mapping[str, str]) -> ModelSignature:
    """Raw request columns in, one probability out; ``features`` asks for the features instead.

    A model with side effects also wants to be told which rows are only mirrored.
    """
    columns = [ColSpec(kind, name) for name, kind in inputs.items()]
    switches = ["features", "mirrored"] if model.minds_mirrors else ["features"]
    return ModelSignature(
        inputs=Schema(columns),
        outputs=Schema([ColSpec("double")]),
        params=ParamSchema([ParamSpec(name, DataType.boolean, False) for name in switches]),
    )


def save(trained: Trained, inputs: Mapping[str, str], folder: Path) -> Path:
    """Write the MLflow model folder: serving code, estimator, signature and reference rows."""
    code = sys.modules[type(trained.model).__module__]
    cloudpickle.register_pickle_by_value(code)
    try:
        _save_model(trained, inputs, folder)
    finally:
        cloudpickle.unregister_pickle_by_value(code)
    reference = folder / "reference" / "rows.jsonl"
    reference.parent.mkdir()
    lines = (json.dumps(row, allow_nan=False) + "\n" for row in trained.reference)
    reference.write_text("".join(lines))
    return folder


def _save_model(trained: Trained, inputs: Mapping[str, str], folder: Path) -> None:
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
                signature=signature(trained.model, inputs),
                pip_requirements=[f"{name}=={metadata.version(name)}" for name in NEEDED],
            )
    finally:
        log.setLevel(level)


def register(uri: str, world: DemoWorld, model: str, trained: Trained) -> ModelRef:
    """Log a run with its data, metrics and model, and register the next version of ``model``."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    _ensure_model(client, world, model)
    said = {"owner": world.owner, "trainer": TRAINER}
    run = client.create_run(
        _experiment(client, world), run_name=f"{model} {trained.kind}", tags=said
    )
    run_id = run.info.run_id
    _describe_run(client, run_id, world, trained)
    with tempfile.TemporaryDirectory() as folder:
        saved = save(trained, world.inputs, Path(folder) / "model")
        client.log_artifacts(run_id, str(saved), "model")
    client.set_terminated(run_id)
    version = client.create_model_version(
        model,
        f"{run.info.artifact_uri}/model",
        run_id,
        tags={**said, "recipe": trained.kind, **trained.card},
        description=trained.description,
    )
    return ModelRef(model=model, version=str(version.version))


def files_of(uri: str, ref: ModelRef) -> str:
    """Where the registry keeps a version's files."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return str(client.get_model_version_download_uri(ref.model, ref.version))


def _experiment(client: MlflowClient, world: DemoWorld) -> str:
    found = client.get_experiment_by_name(world.family)
    return str(found.experiment_id if found else client.create_experiment(world.family))


def _ensure_model(client: MlflowClient, world: DemoWorld, model: str) -> None:
    try:
        client.create_registered_model(
            model, tags={"owner": world.owner}, description=world.question
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _describe_run(client: MlflowClient, run_id: str, world: DemoWorld, trained: Trained) -> None:
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, 0, 0) for name, value in trained.metrics.items()],
        params=[Param(name, value) for name, value in trained.params.items()],
    )
    data = Dataset(
        name=trained.data_name,
        digest=trained.data_digest,
        source_type="python package",
        source=json.dumps(
            {"distribution": world.package, "version": metadata.version(world.package)}
        ),
    )
    client.log_inputs(run_id, datasets=[DatasetInput(data, [])])
