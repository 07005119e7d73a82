"""What a registered model of visits carries along: its serving code.

Classes of this file are pickled whole into the artefact, so a serving process needs pandas,
scikit-learn and MLflow, and nothing of this repository. Keep the file free of our own imports.
"""

from __future__ import annotations

from typing import Any

import mlflow.pyfunc
import pandas as pd
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

PLAN = ("coinsurance", "deductible")
HEALTH = ("incentive", "expenditure", "chronic", "good", "fair", "poor", "limited")


def features_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers in front of the estimator; whether an unknown is limited is missing."""
    told = {name: (rows["health"] == name).astype(float) for name in ("good", "fair", "poor")}
    limited = rows["physical_limitation"].map({"yes": 1.0, "no": 0.0}).astype(float)
    numbers = ["coinsurance", "deductible", "incentive", "expenditure", "chronic"]
    return rows[numbers].astype(float).assign(**told, limited=limited)


class VisitModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Raw request columns in, probability of at least one visit out.

    ``params={"features": True}`` answers the features instead, for comparison with training.
    """

    minds_mirrors = False  # whether ``params={"mirrored": True}`` makes a difference

    def __init__(self, estimator: Any, columns: tuple[str, ...]) -> None:
        self.estimator = estimator
        self.columns = columns

    def __getstate__(self) -> dict[str, Any]:
        """What belongs to the process that serves is not part of the artefact."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def load_context(self, context: Any) -> None:
        """One request is too small to share among threads, and the champion needs the others."""
        self._threads = ThreadpoolController()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        features = features_of(model_input)[list(self.columns)]
        if params and params.get("features"):
            return features
        with self._threads.limit(limits=1):
            return self.estimator.predict_proba(features.to_numpy())[:, 1]
