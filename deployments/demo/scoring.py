"""What a registered demo model carries along: its serving code.

Classes of this file are pickled whole into the artefact, so a serving process needs pandas,
scikit-learn and MLflow, and nothing of this repository. Keep the file free of our own imports.
Several classes have a fault that real teams have shipped; each says which.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

# The names that features have in front of the estimator, by the request column they come from.
RATES = {"carrier": "carrier_rate", "origin": "origin_rate", "dest": "dest_rate"}
Numbers = np.ndarray[Any, np.dtype[np.float64]]

KM_PER_MILE = 1.609344
MM_PER_INCH = 25.4
COLDEST, HOTTEST = -20, 88  # °F: the ends of a table somebody typed in winter
DEFAULT_HOUR = 6
SHARPNESS = 3.0
LOOKUP_SECONDS = 0.1
NOTE_SECONDS = 0.003


class DelayModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Raw request columns in, probability of arriving late out.

    ``columns``: request columns in the estimator's order. ``rates``: for each text column, its
    values' share of late flights in training; ``unseen`` stands for all other values.
    ``params={"features": True}`` answers the features instead, for comparison with training.
    """

    minds_mirrors = False  # whether ``params={"mirrored": True}`` makes a difference

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
        """What belongs to the process that serves is not part of the artefact."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def load_context(self, context: Any) -> None:
        """One request is too small to share among threads, and the champion needs the others."""
        self._threads = ThreadpoolController()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        if params and params.get("features"):
            return self._shown(model_input)
        features = np.column_stack([self._feature(model_input, name) for name in self.columns])
        with self._threads.limit(limits=1):
            return self.estimator.predict_proba(features)[:, 1]

    def _shown(self, rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                RATES[name] if name in self.rates else name: self._feature(rows, name)
                for name in self.columns
            }
        )

    def _feature(self, rows: pd.DataFrame, column: str) -> Numbers:
        if column in self.rates:
            table = self.rates[column]
            return np.array([table.get(value, self.unseen) for value in rows[column]])
        return self._number(column, rows[column].to_numpy(dtype=np.float64))

    def _number(self, column: str, values: Numbers) -> Numbers:
        return values


class MetricDelayModel(DelayModel):
    """Written for a service that speaks metric units; the training table never did."""

    def _number(self, column: str, values: Numbers) -> Numbers:
        if column in ("temp", "dewp"):
            return (values - 32.0) / 1.8
        if column in ("wind_speed", "visib"):
            return values * KM_PER_MILE
        return values * MM_PER_INCH if column == "precip" else values


class HindsightDelayModel(DelayModel):
    """Trained with the delay at departure, which nobody knows when a passenger asks."""

    def _feature(self, rows: pd.DataFrame, column: str) -> Numbers:
        if column not in rows:
            return np.full(len(rows), np.nan)
        return super()._feature(rows, column)


class CodedDelayModel(DelayModel):
    """Carriers enter as a number each, given at training by how often they fly."""

    codes: Mapping[str, int]

    def _feature(self, rows: pd.DataFrame, column: str) -> Numbers:
        if column != "carrier":
            return super()._feature(rows, column)
        return np.array([float(self._code(value)) for value in rows[column]])

    def _code(self, carrier: str) -> int:
        return self.codes.get(carrier, -1)

    def _shown(self, rows: pd.DataFrame) -> pd.DataFrame:
        shown = super()._shown(rows)
        shown["carrier"] = rows["carrier"].to_numpy()  # people compare names, not codes
        return shown


class AlphabeticalDelayModel(CodedDelayModel):
    """Numbers the carriers by name; training numbered them by how often they fly."""

    def _code(self, carrier: str) -> int:
        names = sorted(self.codes)
        return names.index(carrier) if carrier in self.codes else -1


class BlindAtLaGuardiaModel(DelayModel):
    """Reads a feature view that has no schedule of LaGuardia: every flight leaves at six there."""

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        seen = model_input.copy()
        seen.loc[seen["origin"] == "LGA", "sched_hour"] = DEFAULT_HOUR
        return super().predict(context, seen, params)


class SlowDelayModel(DelayModel):
    """Asks another service about the aircraft before every answer."""

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        time.sleep(LOOKUP_SECONDS)
        return super().predict(context, model_input, params)


class HotDelayModel(DelayModel):
    """Looks up how a day feels, in a table that ends where no winter day has ever been."""

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        for degrees in model_input["temp"]:
            self._feels[int(degrees)]
        return super().predict(context, model_input, params)

    def load_context(self, context: Any) -> None:
        super().load_context(context)
        self._feels = {degree: degree // 10 for degree in range(COLDEST, HOTTEST + 1)}


class JournalDelayModel(DelayModel):
    """Notes every answer it really gives in a journal, under one lock, reading back as it goes.

    What is only mirrored leaves no note, as it should. So its cost grows with its share: each
    note of a batch waits for those before it.
    """

    minds_mirrors = True

    def load_context(self, context: Any) -> None:
        super().load_context(context)
        self._lock = threading.Lock()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        given = super().predict(context, model_input, params)
        if not params or not (params.get("mirrored") or params.get("features")):
            with self._lock:
                for before in range(len(model_input)):
                    time.sleep(NOTE_SECONDS * before)
        return given


class Sharpened:
    """An estimator whose log-odds were multiplied: it ranks as well, and is far too sure."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def predict_proba(self, features: Numbers) -> Numbers:
        sure = np.clip(self.estimator.predict_proba(features)[:, 1], 1e-6, 1 - 1e-6)
        odds = SHARPNESS * np.log(sure / (1 - sure))
        late = 1.0 / (1.0 + np.exp(-odds))
        return np.column_stack([1.0 - late, late])
