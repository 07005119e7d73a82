"""A model is asked without MLflow in between only when that is proven to change nothing."""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deployments.gateway.direct import Way
from deployments.gateway.model import Answer, Model, load
from deployments.gateway.table import frame, numbers
from policies.errors import RefusedError
from tasks.registry.digest import hex_of, tree_digest
from tasks.registry.reference import REFERENCE_FILE, write_reference

DRAWN = np.random.default_rng(7)
ROWS = 60
DATA = pd.DataFrame(
    {
        "a": DRAWN.normal(size=ROWS),
        "b": DRAWN.normal(size=ROWS) * 1e6,
        "n": DRAWN.integers(-5, 2**40, size=ROWS),
        "word": DRAWN.choice(["x", "y"], size=ROWS),
    }
)
LABEL = (DATA["a"] > 0).astype(int)
NUMBERS = ["a", "b", "n"]
DIRECT_NUMBERS, DIRECT_TABLE = "direct, with numbers", "direct, with a table"


class Fickle:
    """Never answers the same twice, as a model that draws samples does."""

    def predict_proba(self, table: Any) -> Any:
        return np.array([[1.0, random.random()] for _ in range(len(table))])


class Picky:
    """Takes a table, and minds the type of a column that MLflow would have converted."""

    def predict_proba(self, table: pd.DataFrame) -> Any:
        return np.full(len(table), 0.25 if str(table["a"].dtype) == "float64" else 0.75)


class ByPlace:
    """Answers with what stands first, whatever it is called; a table it takes by name."""

    def predict_proba(self, table: Any) -> Any:
        first = table["b"] if isinstance(table, pd.DataFrame) else table[:, 0]
        return np.arctan(np.asarray(first, dtype=float)) / np.pi + 0.5


def pipeline(columns: Sequence[str], estimator: Any = None) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    first = StandardScaler()
    if "word" in columns:
        scaled = [name for name in columns if name != "word"]
        first = make_column_transformer((OneHotEncoder(), ["word"]), (StandardScaler(), scaled))
    model = make_pipeline(first, estimator or LogisticRegression())
    return model.fit(DATA[list(columns)], LABEL)


def trees(columns: Sequence[str]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=3).fit(DATA[list(columns)], LABEL)


def loaded(
    store: Path,
    model: Any,
    columns: Sequence[str],
    *,
    samples: bool = True,
    optional: Sequence[str] = (),
    function: str = "predict_proba",
) -> Model:
    """Saved by MLflow as a trainer would, and loaded as the gateway does."""
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    kinds = {"n": DataType.long, "word": DataType.string}
    schema = Schema(
        [ColSpec(kinds.get(c, DataType.double), c, required=c not in optional) for c in columns]
    )
    folder = store / "making"
    mlflow.sklearn.save_model(
        model,
        str(folder),
        signature=ModelSignature(schema, Schema([ColSpec(DataType.double)])),
        pyfunc_predict_fn=function,
        pip_requirements=[],
        serialization_format="cloudpickle",
    )
    if samples:
        write_reference(folder, rows(columns), [0.5] * ROWS)
    return stored(store, folder)


def stored(store: Path, folder: Path) -> Model:
    digest = tree_digest(folder)
    shutil.move(folder, store / hex_of(digest))
    return load(store, digest)


def rows(columns: Sequence[str]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = json.loads(DATA[list(columns)].to_json(orient="records"))
    return kept


def same_both_ways(model: Model, asked: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """The answers, asked together and one by one, if they are those of MLflow; else red."""
    model = replace(model, split_seconds=600.0)  # a busy machine is not in question
    plain = replace(model, way=Way("pyfunc"))
    for some in (asked, *([row] for row in asked)):
        assert model.score_each(some) == plain.score_each(some)
    return model.score_each(asked)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("columns", "make", "called"),
    [
        (NUMBERS, pipeline, DIRECT_NUMBERS),
        (NUMBERS, trees, DIRECT_NUMBERS),
        ([*NUMBERS, "word"], pipeline, DIRECT_TABLE),
    ],
    ids=["logistic regression", "trees", "texts"],
)
def test_what_is_proven_is_asked_directly(
    tmp_path: Path, columns: list[str], make: Any, called: str
) -> None:
    """And answers every row as MLflow would have, to the last bit: those of the sample and others,
    with gaps, and with numbers written without their point.
    """
    model = loaded(tmp_path, make(columns), columns)
    assert model.called == called
    asked: list[dict[str, Any]] = [
        *({**row, "a": row["a"] * 1e3, "n": float(row["n"] + 1)} for row in rows(columns)[:8]),
        *({**row, "b": 7} for row in rows(columns)[:3]),
        {**rows(columns)[0], "a": None},
    ]
    answers = same_both_ways(model, asked)
    assert all(answer.score is not None for answer in answers[:-1])
    assert (answers[-1].score is not None) == (make is trees)


def test_what_may_be_left_out_is_left_out(tmp_path: Path) -> None:
    """A whole number that is not sent is no NaN: such rows still take a table."""
    model = loaded(tmp_path, trees(NUMBERS), NUMBERS, optional=["n", "b"])
    assert model.called == DIRECT_TABLE
    first = rows(NUMBERS)[0]
    asked = [first, {"a": 1.0, "n": 3}, {"a": 1.0, "b": None, "n": 3}, {"a": 1.0, "b": 2.0}]
    answers = same_both_ways(model, asked)
    assert answers[-1].score is None  # these trees want it, asked either way
    assert all(answer.score is not None for answer in answers[:-1])


@pytest.mark.parametrize(
    ("estimator", "columns", "options", "why"),
    [
        (pipeline(NUMBERS), NUMBERS, {"samples": False}, "carries no sample rows"),
        (Fickle(), NUMBERS, {}, "answers its sample rows differently"),
        (pipeline(NUMBERS), NUMBERS, {"function": "predict_log_proba"}, "predict_log_proba"),
        (pipeline(["b", "a", "n"]), NUMBERS, {}, "does not answer its own sample rows"),
    ],
    ids=["no sample", "another answer each time", "another function", "another order"],
)
def test_what_is_not_proven_goes_through_mlflow(
    tmp_path: Path, estimator: Any, columns: list[str], options: dict[str, Any], why: str
) -> None:
    """And the version says why."""
    model = loaded(tmp_path, estimator, columns, **options)
    assert model.called.startswith("pyfunc: ") and why in model.called
    assert model.way.call is None


@pytest.mark.parametrize("estimator", [ByPlace(), Picky()], ids=["by place", "by name"])
def test_a_model_that_answers_numbers_in_another_way_gets_its_table(
    tmp_path: Path, estimator: Any
) -> None:
    assert loaded(tmp_path, estimator, ["a", "b"]).called == DIRECT_TABLE


def test_a_model_with_code_of_its_own_goes_through_mlflow(tmp_path: Path) -> None:
    """What it does with a table is its own business."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    code = tmp_path / "making.py"
    code.write_text(
        "import mlflow\n"
        "class Own(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return [0.5] * len(model_input)\n"
        "mlflow.models.set_model(Own())\n"
    )
    schema = Schema([ColSpec(DataType.double, "a")])
    folder = tmp_path / "making"
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(code),
        signature=ModelSignature(schema, Schema([ColSpec(DataType.double)])),
        pip_requirements=[],
    )
    write_reference(folder, rows(["a"]), [0.5] * ROWS)
    model = stored(tmp_path, folder)
    assert model.called == "pyfunc: its own code answers"
    assert model.score_each([{"a": 1}]) == [Answer(0.5)]


def test_a_sample_that_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    """The version is served all the same; the trial says what is wrong with its file."""
    first = loaded(tmp_path, pipeline(NUMBERS), NUMBERS)
    folder = tmp_path / "making"
    shutil.copytree(tmp_path / hex_of(first.digest), folder)
    (folder / REFERENCE_FILE).write_text("no JSON")
    model = stored(tmp_path, folder)
    assert "carries no sample rows" in model.called
    assert model.score_each(rows(NUMBERS)[:1])[0].score is not None
    (tmp_path / hex_of(model.digest) / REFERENCE_FILE).write_text("altered")
    with pytest.raises(RefusedError, match="altered"):
        load(tmp_path, model.digest)


def test_numbers_are_the_table_bit_by_bit() -> None:
    """Also whole numbers beyond what a float holds, and in the same order in memory."""
    from deployments.gateway.signature import Column

    columns = (Column("a", "double"), Column("n", "long"), Column("i", "integer"))
    asked = [{"a": 0.1, "n": 2**53 + 1, "i": 3.0}, {"a": None, "n": -(2**63), "i": -(2**31)}]
    table, plain = frame(columns, asked).to_numpy(), numbers(columns, asked)
    assert (table.dtype, table.flags.f_contiguous) == (plain.dtype, plain.flags.f_contiguous)
    assert table.tobytes() == plain.tobytes()
