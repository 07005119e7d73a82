"""Calling a scikit-learn model without MLflow around it, once that is proven to change nothing.

``pyfunc.predict`` checks and converts every table against the signature before the estimator
sees it. The gateway has checked the rows already and builds the table in the signature's types,
so for an estimator there is nothing left to convert: it can be asked itself, and where all it
takes is numbers, without a table. Whether that is so is not assumed. When a version is loaded
its own sample rows, and rows with gaps wherever the signature allows gaps, are answered both
ways; unless the answers are the same to the last bit, failures included, MLflow stays in
between. Nothing in between keeps state, so several threads may ask at once, as with MLflow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.gateway.signature import Column, faults, is_fit
from deployments.gateway.table import Row, by_gaps, frame, has_only_numbers, numbers

Call = Callable[[Sequence[Row]], Any]
_TOGETHER = 200  # sample rows answered in one call
_ALONE = 5  # and one by one, as most requests come
_FUNCTIONS = ("predict_proba", "predict")
_FITTED_WITH_NAMES = "X does not have valid feature names"


@dataclass(frozen=True)
class Way:
    """How a version is asked, in words for people; ``call`` is ``None`` when MLflow does it."""

    told: str
    call: Call | None = None


def way_of(pyfunc: Any, columns: Sequence[Column], samples: Sequence[Row]) -> Way:
    """The cheapest way that is proven; it says why it is no cheaper one."""
    function, reason = _function(pyfunc)
    if function is None:
        return Way(f"pyfunc: {reason}")
    fit = [row for row in samples if not faults(columns, row)]
    if not fit:
        return Way("pyfunc: the version carries no sample rows to prove another way with")

    def plain(rows: Sequence[Row]) -> Any:
        return pyfunc.predict(frame(columns, rows), None)

    def as_table(rows: Sequence[Row]) -> Any:
        return function(frame(columns, rows))

    def as_numbers(rows: Sequence[Row]) -> Any:
        return function(numbers(columns, rows))

    batches = list(_batches(columns, fit))
    wanted = [_outcome(plain, batch) for batch in batches]
    if not any(wanted):
        return Way("pyfunc: it does not answer its own sample rows")
    if has_only_numbers(columns):
        # Said at every call of an estimator that was fitted on a table. The order of the columns
        # is what it is about, and a wrong order is a difference.
        warnings.filterwarnings("ignore", _FITTED_WITH_NAMES, UserWarning)
        if [_outcome(as_numbers, batch) for batch in batches] == wanted:
            return Way("direct, with numbers", as_numbers)
    if [_outcome(as_table, batch) for batch in batches] == wanted:
        return Way("direct, with a table", as_table)
    return Way("pyfunc: asked directly, it answers its sample rows differently")


def _function(pyfunc: Any) -> tuple[Callable[[Any], Any] | None, str]:
    """What MLflow calls in the end; or why there is no such one function."""
    flavour = pyfunc.metadata.flavors.get("python_function", {})
    loader = str(flavour.get("loader_module"))
    if loader.startswith("mlflow.pyfunc"):
        return None, "its own code answers"
    if loader != "mlflow.sklearn":
        return None, f"{loader} loads it, which is no scikit-learn"
    name = flavour.get("predict_fn", "predict")
    if name not in _FUNCTIONS:
        return None, f"it answers with {name}"
    params = pyfunc.metadata.signature.params
    if params is not None and params.params:
        return None, "it takes parameters"
    return getattr(pyfunc.get_raw_model(), name), ""


def _batches(columns: Sequence[Column], samples: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Sample rows together and alone, and with gaps alone and among others.

    MLflow tells columns apart by type and by whether they are required: a gap in one column of
    each kind, and in all at once, is every case there is between the two ways.
    """
    gaps = list(_with_gaps(columns, samples[0]))
    for some in (samples[:_TOGETHER], [samples[0], *gaps]):
        for places in by_gaps(columns, some):
            yield [some[at] for at in places]
    yield from ([row] for row in (*samples[:_ALONE], *gaps))


def _with_gaps(columns: Sequence[Column], row: Row) -> Iterator[Row]:
    may = [column for column in columns if is_fit(column.type, None, column.required)]
    kinds = {(column.type, column.required): column for column in reversed(may)}
    for some in (*([column] for column in kinds.values()), may):
        yield {**row, **{column.name: None for column in some}}
        left_out = {column.name for column in some if not column.required}
        yield {name: value for name, value in row.items() if name not in left_out}


def _outcome(call: Call, rows: Sequence[Row]) -> tuple[object, ...] | None:
    """An answer down to its bits; ``None`` when it failed."""
    import numpy as np

    try:
        array = np.asarray(call(rows))
    except Exception:  # noqa: BLE001 - the model's own code: failing is an outcome too
        return None
    bits = array.tolist() if array.dtype == object else array.tobytes()
    return array.shape, array.dtype.str, bits
