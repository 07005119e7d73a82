"""The data contract checked by Great Expectations, in a context that lives in memory only.

Importing the library costs 4 to 10 s: it happens inside the call. Analytics are switched
off on the context. Expectations are validated one by one, because a suite dies on results
that carry a ``numpy.bool`` (quantiles), and because one that raises must not hide the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.schema import Expectation
from tasks.evaluation.contract import line, malformed, refuse_nothing, unknown
from tasks.evaluation.ports import ContractLine


class GreatExpectationsContract:
    """The ``DataContract`` port on Great Expectations and pandas."""

    def validate(
        self, rows: Sequence[dict[str, Any]], expectations: Sequence[Expectation]
    ) -> Sequence[ContractLine]:
        refuse_nothing(rows, expectations)
        built = [_build(expectation) for expectation in expectations]
        batch = _batch(rows)
        return tuple(
            _validate(batch, expectation, rule)
            for expectation, rule in zip(expectations, built, strict=True)
        )


def _build(expectation: Expectation) -> Any:
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        implementation = get_expectation_impl(expectation.type)
    except ExpectationNotFoundError as error:
        raise unknown(expectation) from error
    if "min_value" in implementation.__fields__ and not _has_bound(expectation.kwargs):
        # The library lets a row count without bounds through, as a test that cannot fail.
        raise malformed(expectation, "min_value or max_value is needed")
    mostly = expectation.kwargs.get("mostly", 1.0)
    if not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        raise malformed(expectation, "mostly lies above 0 and up to 1")
    try:
        return implementation(**expectation.kwargs)
    except (TypeError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        raise malformed(expectation, " ".join(str(error).split())) from error


def _has_bound(kwargs: Mapping[str, Any]) -> bool:
    return any(kwargs.get(name) is not None for name in ("min_value", "max_value"))


def _batch(rows: Sequence[dict[str, Any]]) -> Any:
    import great_expectations as gx
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("trial")
    whole = source.add_dataframe_asset("sample").add_batch_definition_whole_dataframe("all")
    return whole.get_batch({"dataframe": pd.DataFrame(list(rows))})


def _validate(batch: Any, expectation: Expectation, rule: Any) -> ContractLine:
    from great_expectations.exceptions import GreatExpectationsError

    try:
        result = batch.validate(rule, result_format="BASIC")
    except (
        GreatExpectationsError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        return line(expectation, False, f"could not be evaluated: {type(error).__name__}")
    if raised := _raised(result.exception_info):
        return line(expectation, False, f"could not be evaluated: {raised}")
    if _looked_at_nothing(result.result):
        return line(expectation, False, "no values to look at")
    # bool(): some results carry numpy.bool, which neither JSON nor a strict model takes.
    return line(expectation, bool(result.success), _observed(result.result))


def _raised(info: Mapping[str, Any]) -> str:
    """The first exception's message; the library nests them by metric when one raised."""
    nested = [item for item in info.values() if isinstance(item, Mapping)]
    for item in [info, *nested]:
        if item.get("raised_exception"):
            message = str(item.get("exception_message") or "an exception without a message")
            return " ".join(message.split())[:200]
    return ""


def _looked_at_nothing(result: Mapping[str, Any]) -> bool:
    """A column of missing values passes any test of its values there: nothing was tested."""
    return bool(result.get("element_count")) and (
        result.get("missing_count") == result["element_count"]
    )


def _observed(result: Mapping[str, Any]) -> str:
    if "unexpected_count" in result:
        looked = result["element_count"] - result.get("missing_count", 0)
        return f"{result['unexpected_count']} of {looked} values break it"
    if "observed_value" in result:
        return f"observed {result['observed_value']}"
    return "nothing reported"
