"""Every data contract keeps the same promises, whoever checks it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest

from policies.errors import EvidenceError, RefusedError
from policies.loader import files, load_all
from policies.schema import Expectation
from tasks.evaluation.adapters.great_expectations import GreatExpectationsContract
from tasks.evaluation.adapters.memory import EXPECTATIONS, MemoryContract
from tasks.evaluation.ports import ContractLine, DataContract

ROWS: list[dict[str, Any]] = [
    {
        "id": f"r{i}",
        "count": i,
        "share": i / 10,
        "word": "x" if i % 2 else "y",
        "nothing": None,
        "flag": bool(i % 2),
        "gap": None if i == 3 else float(i),
        "hole": math.nan if i == 3 else float(i),
        "whole_gap": None if i == 3 else i,
        "mixed": i if i % 2 else "q",
    }
    for i in range(10)
]
VALUES = "expect_column_values_to_"


@pytest.fixture(params=[MemoryContract, GreatExpectationsContract], scope="module")
def contract(request: pytest.FixtureRequest) -> DataContract:
    made: DataContract = request.param()
    return made


def check(contract: DataContract, kind: str, **kwargs: Any) -> ContractLine:
    (line,) = contract.validate(ROWS, [Expectation(type=kind, kwargs=kwargs)])
    return line


CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("expect_column_to_exist", {"column": "word"}, True),
    ("expect_column_to_exist", {"column": "absent"}, False),
    (VALUES + "not_be_null", {"column": "word"}, True),
    (VALUES + "not_be_null", {"column": "gap"}, False),
    (VALUES + "not_be_null", {"column": "hole"}, False),
    (VALUES + "not_be_null", {"column": "gap", "mostly": 0.9}, True),
    (VALUES + "not_be_null", {"column": "nothing"}, False),
    (VALUES + "be_between", {"column": "count", "min_value": 0, "max_value": 9}, True),
    (VALUES + "be_between", {"column": "count", "min_value": 0, "max_value": 8}, False),
    (VALUES + "be_between", {"column": "count", "max_value": 9, "strict_max": True}, False),
    (VALUES + "be_between", {"column": "count", "min_value": 0, "strict_min": True}, False),
    (VALUES + "be_between", {"column": "gap", "max_value": 5, "mostly": 0.5}, True),
    (VALUES + "be_between", {"column": "gap", "max_value": 5, "mostly": 0.6}, False),
    (VALUES + "be_between", {"column": "hole", "max_value": 9}, True),
    (VALUES + "be_between", {"column": "word", "min_value": 0, "max_value": 5}, False),
    (VALUES + "be_between", {"column": "mixed", "min_value": 0, "max_value": 9}, False),
    (VALUES + "be_between", {"column": "nothing", "min_value": 0, "max_value": 9}, False),
    (VALUES + "be_between", {"column": "absent", "min_value": 0, "max_value": 9}, False),
    (VALUES + "be_in_set", {"column": "word", "value_set": ["x", "y", "z"]}, True),
    (VALUES + "be_in_set", {"column": "word", "value_set": ["x"]}, False),
    (VALUES + "be_in_set", {"column": "word", "value_set": ["x"], "mostly": 0.5}, True),
    (VALUES + "be_in_set", {"column": "count", "value_set": ["1", "2"]}, False),
    (VALUES + "be_in_set", {"column": "word", "value_set": []}, False),
    (VALUES + "be_in_set", {"column": "nothing", "value_set": ["x"]}, False),
    (VALUES + "match_regex", {"column": "id", "regex": "^r[0-9]$"}, True),
    (VALUES + "match_regex", {"column": "id", "regex": "[0-4]"}, False),
    (VALUES + "match_regex", {"column": "id", "regex": "[0-4]", "mostly": 0.5}, True),
    (VALUES + "match_regex", {"column": "count", "regex": "^[0-9]$"}, True),
    (VALUES + "match_regex", {"column": "word", "regex": "(unclosed"}, False),
    (VALUES + "match_regex", {"column": "nothing", "regex": "."}, False),
    (VALUES + "be_unique", {"column": "id"}, True),
    (VALUES + "be_unique", {"column": "gap"}, True),
    (VALUES + "be_unique", {"column": "word"}, False),
    (VALUES + "be_of_type", {"column": "count", "type_": "int64"}, True),
    (VALUES + "be_of_type", {"column": "count", "type_": "int"}, True),
    (VALUES + "be_of_type", {"column": "count", "type_": "float"}, False),
    (VALUES + "be_of_type", {"column": "share", "type_": "float"}, True),
    (VALUES + "be_of_type", {"column": "word", "type_": "str"}, True),
    (VALUES + "be_of_type", {"column": "word", "type_": "int"}, False),
    (VALUES + "be_of_type", {"column": "flag", "type_": "bool"}, True),
    (VALUES + "be_of_type", {"column": "flag", "type_": "int"}, False),
    (VALUES + "be_of_type", {"column": "whole_gap", "type_": "int"}, False),
    (VALUES + "be_of_type", {"column": "whole_gap", "type_": "float64"}, True),
    (VALUES + "be_of_type", {"column": "nothing", "type_": "float"}, False),
    (VALUES + "be_of_type", {"column": "mixed", "type_": "str"}, False),
    (VALUES + "be_in_type_list", {"column": "mixed", "type_list": ["int", "float"]}, False),
    (VALUES + "be_in_type_list", {"column": "gap", "type_list": ["int", "float"]}, True),
    (VALUES + "be_in_type_list", {"column": "nothing", "type_list": ["int"]}, False),
    ("expect_table_row_count_to_be_between", {"min_value": 1}, True),
    ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 9}, False),
]


@pytest.mark.parametrize(("kind", "kwargs", "holds"), CASES)
def test_all_checkers_agree(
    contract: DataContract, kind: str, kwargs: dict[str, Any], holds: bool
) -> None:
    """The same rows and the same words give the same answer from every checker."""
    assert check(contract, kind, **kwargs).success is holds


def test_every_expectation_of_the_small_checker_has_a_case() -> None:
    """No expectation type is shipped without an agreement test."""
    assert {kind for kind, _, __ in CASES} == set(EXPECTATIONS)


def test_no_rows_and_no_expectations_are_errors(contract: DataContract) -> None:
    """The empty case never passes: it is malformed evidence."""
    with pytest.raises(EvidenceError):
        contract.validate([], [Expectation(type="expect_column_to_exist")])
    with pytest.raises(EvidenceError):
        contract.validate(ROWS, [])


def test_an_unknown_expectation_is_refused(contract: DataContract) -> None:
    """A type nobody knows is the policy's fault, and it is said before anything is checked."""
    with pytest.raises(RefusedError, match="expect_good_luck"):
        check(contract, "expect_good_luck", column="word")


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        (VALUES + "be_between", {"column": "count"}),
        (VALUES + "be_between", {"column": "count", "min": 3}),
        (VALUES + "be_between", {"column": "count", "min_value": 1, "minimum": 3}),
        (VALUES + "be_in_set", {"column": "word"}),
        (VALUES + "not_be_null", {}),
        (VALUES + "not_be_null", {"column": "gap", "mostly": 0}),
        (VALUES + "not_be_null", {"column": "gap", "mostly": 2}),
        ("expect_table_row_count_to_be_between", {}),
    ],
)
def test_an_expectation_written_wrongly_is_refused(
    contract: DataContract, kind: str, kwargs: dict[str, Any]
) -> None:
    """A misspelt bound is never a test that cannot fail."""
    with pytest.raises(RefusedError):
        check(contract, kind, **kwargs)


def test_one_line_an_expectation_in_order(contract: DataContract) -> None:
    """A line that fails or raises hides none of the others, and every line is plain JSON."""
    lines = contract.validate(
        ROWS, [Expectation(type=kind, kwargs=kwargs) for kind, kwargs, _ in CASES]
    )
    assert [line.success for line in lines] == [holds for _, __, holds in CASES]
    assert all(line.observed for line in lines)
    json.dumps([line.model_dump(mode="json") for line in lines])


def test_lines_count_and_do_not_quote(contract: DataContract) -> None:
    """Values may be about people: they stay out of the record."""
    line = check(contract, VALUES + "be_in_set", column="id", value_set=["somebody"])
    assert not any(row["id"] in line.observed for row in ROWS)


def test_numpy_answers_become_plain_ones() -> None:
    """Quantiles answer with numpy.bool: the line still carries a Python bool."""
    quantiles = {"quantiles": [0.5], "value_ranges": [[1, 9]]}
    line = check(
        GreatExpectationsContract(),
        "expect_column_quantile_values_to_be_between",
        column="count",
        quantile_ranges=quantiles,
    )
    assert line.success is True


def test_an_exception_inside_an_expectation_is_a_failed_line(contract: DataContract) -> None:
    """What cannot be evaluated has not been shown."""
    line = check(contract, VALUES + "match_regex", column="word", regex="(unclosed")
    assert not line.success
    assert "could not be evaluated" in line.observed


def test_the_catalogue_speaks_words_that_every_checker_knows(contract: DataContract) -> None:
    """No shipped policy asks for an expectation that a checker would refuse."""
    asked = [e for policy in load_all(files()) for e in policy.policy.staging.contract]
    assert len(contract.validate(ROWS, asked)) == len(asked) > 0


def test_importing_the_adapter_does_not_import_the_library() -> None:
    """The seconds that Great Expectations needs are spent only where it is used."""
    code = (
        "import sys, tasks.evaluation.adapters.great_expectations as a\n"
        "assert not {'great_expectations', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
