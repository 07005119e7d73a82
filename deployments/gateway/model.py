"""One verified model in this process: rows in, scores out, nothing raised.

Used by the gateway for the champion and by the worker process for a candidate, so both arms
run the same code.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from deployments.gateway.direct import Way, way_of
from deployments.gateway.signature import Column, faults
from deployments.gateway.table import Row as Row
from deployments.gateway.table import by_gaps, frame, handed, plain
from policies.errors import RefusedError
from tasks.registry.digest import hex_of, tree_digest
from tasks.registry.reference import reference_rows, takes_inputs_as_they_are

_SPLITS = 128  # calls spent on finding the bad rows of one batch
_SPLIT_SECONDS = 0.15  # and time: the good rows of a batch must not be late for the bad ones
_PYFUNC = Way("pyfunc")

NO_CLASSES = "A class is no probability: log the model so that it answers with predict_proba"


class Answer(NamedTuple):
    """A probability, or why there is none."""

    score: float | None
    error: str | None = None


@dataclass
class _Search:
    """What may still be spent on finding the rows to blame."""

    calls: int
    until: float  # perf_counter

    def may_go_on(self) -> bool:
        self.calls -= 1
        return self.calls >= 0 and time.perf_counter() < self.until


class ModelFault(Exception):
    """What the model's own code raised, or an answer that is no list of probabilities."""


@dataclass(frozen=True)
class Model:
    """``computes_features``: it takes the parameter ``features`` and tells what it computed."""

    digest: str
    columns: tuple[Column, ...]
    shows_features: bool
    minds_mirrors: bool  # wants to be told which rows nobody is waiting for
    pyfunc: Any
    split_seconds: float = _SPLIT_SECONDS
    computes_features: bool = True
    way: Way = _PYFUNC

    @property
    def called(self) -> str:
        """Directly or through MLflow, and why."""
        return self.way.told

    def score_each(self, rows: Sequence[Row], *, mirrored: bool = False) -> list[Answer]:
        """One answer a row. A batch that fails is halved until the rows to blame are found.

        ``mirrored``: nobody will see these answers, so the model should leave no trace of them.
        """
        wrong = {at: found for at, row in enumerate(rows) if (found := faults(self.columns, row))}
        good = [row for at, row in enumerate(rows) if at not in wrong]
        params = {"mirrored": True} if mirrored and self.minds_mirrors else None
        answers = iter(self._answers(good, params))
        return [
            Answer(None, "; ".join(wrong[at])) if at in wrong else next(answers)
            for at in range(len(rows))
        ]

    def features(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """What the model computed from the raw inputs; ``ModelFault`` when it fails.

        A version that says it takes its inputs as they are shows what it is handed.
        """
        if not self.computes_features:
            return handed(self.columns, rows)
        table = self._predict(rows, {"features": True})
        if not hasattr(table, "to_dict"):
            raise ModelFault("the model was asked for its features and gave no table")
        return [
            {str(name): plain(value) for name, value in row.items()}
            for row in table.to_dict("records")
        ]

    def time_each(self, row: Row, calls: int) -> list[float]:
        """Milliseconds of one-row calls, after one to warm up."""
        took = []
        for _ in range(calls + 1):
            start = time.perf_counter()
            self.score_each([row], mirrored=True)
            took.append((time.perf_counter() - start) * 1000)
        return took[1:]

    def _answers(self, rows: Sequence[Row], params: dict[str, Any] | None) -> list[Answer]:
        """Rows that leave out the same whole numbers go together; most often that is all."""
        search = _Search(_SPLITS, time.perf_counter() + self.split_seconds)
        given: dict[int, Answer] = {}
        for places in by_gaps(self.columns, rows):
            answers = self._halving([rows[at] for at in places], search, params, first=True)
            given |= dict(zip(places, answers, strict=True))
        return [given[at] for at in range(len(rows))]

    def _halving(
        self,
        rows: Sequence[Row],
        search: _Search,
        params: dict[str, Any] | None,
        *,
        first: bool = False,
    ) -> list[Answer]:
        """Only looking for the bad rows is bounded: every row is tried once, however late."""
        if not rows:
            return []
        if not (search.may_go_on() or first):
            return [Answer(None, "not tried: too many rows of this batch failed")] * len(rows)
        try:
            output = self._predict(rows, params)
        except ModelFault as fault:
            if len(rows) == 1:
                return [Answer(None, str(fault))]
        else:
            return _answers(output, len(rows))
        middle = len(rows) // 2
        left = self._halving(rows[:middle], search, params)
        return left + self._halving(rows[middle:], search, params)

    def _predict(self, rows: Sequence[Row], params: dict[str, Any] | None = None) -> Any:
        try:
            if self.way.call is not None and params is None:
                return self.way.call(rows)
            return self.pyfunc.predict(frame(self.columns, rows), params)
        except Exception as error:
            raise ModelFault(f"{type(error).__name__}: {error}"[:300]) from error


def load(store: Path, digest: str) -> Model:
    """Load a stored copy after verifying every byte of it. ``RefusedError`` when it differs."""
    folder = store / hex_of(digest)
    found = tree_digest(folder)
    if found != digest:
        raise RefusedError(
            f"The stored copy {digest[:19]}… has been altered: its digest is now {found[:19]}….",
            advice=f"Do not serve it. Find out who changed {folder}, then fetch the version again.",
        )
    import mlflow.pyfunc

    # A model may bring code of its own: compiled beside it, its files would no longer be the
    # ones that were digested. For the whole process: it may import more when it first answers.
    sys.dont_write_bytecode = True
    try:
        pyfunc = mlflow.pyfunc.load_model(str(folder))
    except Exception as error:
        raise RefusedError(
            f"{digest[:19]}… cannot be loaded: {type(error).__name__}: {error}"[:500],
            advice="Load it by hand: mlflow.pyfunc.load_model(the folder in the store).",
        ) from error
    signature = pyfunc.metadata.signature
    if signature is None or signature.inputs is None or signature.inputs.is_tensor_spec():
        raise RefusedError(
            f"{digest[:19]}… has no signature with named columns.",
            advice="Log the model with a signature, so that requests can be checked.",
        )
    columns, samples = _columns(signature), _samples(folder)
    computes = _has_switch(signature, "features")
    # Not asked once to warm up: a model that hangs or dies at its first answer is a finding of the
    # trial, and must not keep a plan from being loaded.
    return Model(
        digest,
        columns,
        shows_features=computes or takes_inputs_as_they_are(folder),
        minds_mirrors=_has_switch(signature, "mirrored"),
        pyfunc=pyfunc,
        computes_features=computes,
        way=way_of(pyfunc, columns, samples),
    )


def _samples(folder: Path) -> list[Row]:
    """None where they cannot be read: the trial reads them again, and says what is wrong."""
    try:
        return [row.inputs for row in reference_rows(folder)]
    except RefusedError:
        return []


def _columns(signature: Any) -> tuple[Column, ...]:
    return tuple(
        Column(str(spec.name), str(told["type"]), spec.required, _within(told))
        for spec in signature.inputs
        for told in [spec.to_dict()]
    )


def _within(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return told if told["type"] in ("array", "object", "map") else None


def _has_switch(signature: Any, name: str) -> bool:
    params = signature.params.params if signature.params is not None else []
    return any(param.name == name and param.dtype.name == "boolean" for param in params)


def _answers(output: Any, rows: int) -> list[Answer]:
    """No row is to blame for an answer of the wrong shape: all of them go without."""
    try:
        return [_answer(score) for score in _scores(output, rows)]
    except ModelFault as fault:
        return [Answer(None, str(fault))] * rows


def _scores(output: Any, rows: int) -> list[float]:
    """The positive class: the last column of a table, or the list itself."""
    import numpy as np

    try:
        array = np.asarray(output, dtype=float)
    except Exception as error:  # what it is made of decides what it raises
        raise ModelFault(f"the answer holds no numbers: {error}. {NO_CLASSES}"[:300]) from error
    if array.ndim == 2 and array.shape[1]:
        array = array[:, -1]
    if array.shape != (rows,):
        raise ModelFault(f"{rows} rows were asked, the answer has the shape {array.shape}")
    return [float(score) for score in array]


def _answer(score: float) -> Answer:
    if math.isfinite(score) and 0.0 <= score <= 1.0:
        return Answer(score)
    return Answer(None, f"answered {score}, which is no probability")
