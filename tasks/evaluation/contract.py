"""The data contract's lines as one staging check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.errors import EvidenceError, RefusedError
from policies.schema import Expectation
from policies.vocabulary import Evidence
from tasks.evaluation.ports import ContractLine


def contract_check(lines: Sequence[ContractLine], rows: int) -> Evidence:
    """All lines must hold. A contract without lines says nothing and is refused."""
    if not lines:
        raise EvidenceError(
            "The data contract came back without a single line.",
            advice="Check staging.contract in the policy and the data-contract adapter.",
        )
    failed = [line for line in lines if not line.success]
    told = "; ".join(_told(line) for line in failed)
    return Evidence(
        name="data contract",
        kind="check",
        effect=float(len(failed)),
        limit=0.0,
        n=rows,
        unit=f"of {len(lines)} expectations broken",
        method="every expectation of the policy on the sample rows",
        detail=f"Broken: {told}." if failed else f"All {len(lines)} expectations hold.",
    )


def refuse_nothing(rows: Sequence[Mapping[str, Any]], expectations: Sequence[Expectation]) -> None:
    """The two empty cases that every adapter of the port refuses before it starts."""
    if not rows:
        raise EvidenceError(
            "There are no rows to hold against the data contract.",
            advice="Wait for traffic, or check that inputs are being recorded.",
        )
    if not expectations:
        raise EvidenceError(
            "The data contract has no expectations.", advice="Fill staging.contract in the policy."
        )


def unknown(expectation: Expectation) -> RefusedError:
    return RefusedError(
        f"The data contract asks for {expectation.type}, which this checker does not know.",
        advice="Correct staging.contract in the policy: see the list in its reference.",
    )


def malformed(expectation: Expectation, why: str) -> RefusedError:
    return RefusedError(
        f"The expectation {expectation.type} is written wrongly: {why}.",
        advice="Correct its kwargs under staging.contract in the policy.",
    )


def line(expectation: Expectation, success: bool, observed: str) -> ContractLine:
    """``observed`` counts and never quotes values: rows may be about people."""
    column = str(expectation.kwargs.get("column", ""))
    return ContractLine(
        expectation=expectation.type, column=column, success=success, observed=observed
    )


def _told(broken: ContractLine) -> str:
    place = f" on {broken.column}" if broken.column else ""
    return f"{broken.expectation}{place} ({broken.observed})"
