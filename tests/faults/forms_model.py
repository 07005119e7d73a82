"""A model that takes what forms send: a list, an object, columns that may be left out."""

from __future__ import annotations

import warnings
from pathlib import Path
from random import Random
from typing import Any

from tasks.registry.reference import write_reference

Row = dict[str, Any]
_CODE = """
import os, time
import mlflow
{at_load}

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        {at_call}
        rows = model_input.to_dict("records")
        return [score(row) for row in rows]

def score(row):
    who = row.get("who") or {{}}
    visits = row.get("visits")
    known = 0.2 if isinstance(visits, int) else 0.0
    return 0.1 + 0.12 * len(row["tags"]) + (0.3 if who.get("vip") else 0.0) + known

mlflow.models.set_model(Model())
"""


def row_of(number: int) -> Row:
    """One form and its outcome; every second one leaves something out."""
    chance = Random(number)
    row: Row = {"tags": [1, 2.5, 3][: chance.randrange(4)], "sent": "2030-01-01T12:00:00+02:00"}
    if number % 2:
        row |= {"visits": chance.randrange(9), "who": {"name": "Ann", "vip": number % 4 == 1}}
    elif number % 4:
        row |= {"visits": None, "who": None}
    return row | {"label": int(chance.random() < score_of(row))}


def score_of(row: Row) -> float:
    vip = (row.get("who") or {}).get("vip")
    known = 0.2 if row.get("visits") is not None else 0.0
    return 0.1 + 0.12 * len(row["tags"]) + (0.3 if vip else 0.0) + known


def inputs_of(number: int) -> Row:
    return {name: value for name, value in row_of(number).items() if name != "label"}


def make(folder: Path, *, at_call: str = "pass", at_load: str = "", reference: bool = True) -> str:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array, Object, Property

    who = Object([Property("name", DataType.string), Property("vip", DataType.boolean)])
    columns = [
        ColSpec(Array(DataType.double), "tags"),
        ColSpec(DataType.datetime, "sent"),
        ColSpec(DataType.long, "visits", required=False),
        ColSpec(who, "who", required=False),
    ]
    code = folder.with_suffix(".py")
    code.write_text(_CODE.format(at_call="pass", at_load=""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(folder), python_model=str(code), pip_requirements=[],
            signature=ModelSignature(Schema(columns), Schema([ColSpec(DataType.double)])),
        )  # fmt: skip
    for saved in folder.glob("*.py"):  # broken after saving: MLflow would run it at once
        saved.write_text(_CODE.format(at_call=at_call, at_load=at_load))
    if reference:
        rows = [inputs_of(n) for n in range(1000, 1040)]
        write_reference(folder, rows, [score_of(row) for row in rows])
    return str(folder)
