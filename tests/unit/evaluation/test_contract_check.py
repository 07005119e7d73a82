"""The data contract as one staging check."""

from __future__ import annotations

import pytest

from policies.errors import EvidenceError
from tasks.evaluation.contract import contract_check
from tasks.evaluation.ports import ContractLine


def line(success: bool) -> ContractLine:
    return ContractLine(
        expectation="expect_column_to_exist", column="dest", success=success, observed="seen"
    )


def test_no_lines_are_an_error() -> None:
    """A contract that said nothing is never a pass."""
    with pytest.raises(EvidenceError):
        contract_check([], rows=100)


def test_every_broken_line_counts_and_is_named() -> None:
    """One broken expectation fails the check and the detail says which."""
    found = contract_check([line(True), line(False)], rows=100)
    assert (found.effect, found.limit, found.n) == (1.0, 0.0, 100)
    assert "expect_column_to_exist on dest (seen)" in found.detail


def test_all_lines_hold() -> None:
    """A kept contract has effect zero."""
    assert contract_check([line(True)], rows=5).effect == 0.0
