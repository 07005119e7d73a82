"""What a registered demo model carries along: its serving code.

Classes of this file are pickled whole into the artefact, so a serving process needs pandas,
scikit-learn and MLflow, and nothing of this repository. Keep the file free of our own imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

# The names that features have in front of the estimator, by the request column they come from.
RATES = {"carrier": "carrier_rate", "origin": "origin_rate", "dest": "dest_rate"}

KM_PER_MILE = 1.609344
MM_PER_INCH = 25.4
LAST_KNOWN_MONTH = 5


class DelayModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Raw request columns in, probability of arriving late out.

    ``columns``: request columns in the estimator's order. ``rates``: for each text column, its
    values' share of late flights in training; ``unseen`` stands for all other values.
    ``params={"features": True}`` answers the features instead, for comparison with training.
    """

    def __init__(
        self,
        estimator: Any,
        columns: tuple[str, ...],
        rates: Mapping[str, Mapping[str, float]],
        unseen: float,
    ) -> None:
        self.estimator = estimator
        self.columns = columns
        self.rates = {column: dict(table) for column, table in rates.items()}
        self.unseen = unseen

    def __getstate__(self) -> dict[str, Any]:
        """The controller belongs to the process that serves, not to the artefact."""
        return {name: value for name, value in self.__dict__.items() if name != "_threads"}

    def load_context(self, context: Any) -> None:
        """One request is too small to share among threads, and the champion needs the others."""
        self._threads = ThreadpoolController()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        features = np.column_stack([self._feature(model_input, name) for name in self.columns])
        if params and params.get("features"):
            return pd.DataFrame(features, columns=[RATES.get(name, name) for name in self.columns])
        with self._threads.limit(limits=1):
            return self.estimator.predict_proba(features)[:, 1]

    def _feature(self, rows: pd.DataFrame, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        if column in self.rates:
            table = self.rates[column]
            return np.array([table.get(value, self.unseen) for value in rows[column]])
        return self._number(column, rows[column].to_numpy(dtype=np.float64))

    def _number(
        self, column: str, values: np.ndarray[Any, np.dtype[np.float64]]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        return values


class MetricDelayModel(DelayModel):
    """Written for a service that speaks metric units; the training table never did."""

    def _number(
        self, column: str, values: np.ndarray[Any, np.dtype[np.float64]]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        if column in ("temp", "dewp"):
            return (values - 32.0) / 1.8
        if column in ("wind_speed", "visib"):
            return values * KM_PER_MILE
        return values * MM_PER_INCH if column == "precip" else values


class SpringDelayModel(DelayModel):
    """Knows the schedules of winter and spring, and fails on the first day of the next one."""

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        unknown = model_input["month"][model_input["month"] > LAST_KNOWN_MONTH]
        if len(unknown):
            raise KeyError(f"no schedule for month {unknown.iloc[0]}")
        return super().predict(context, model_input, params)
