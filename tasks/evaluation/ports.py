"""What the offline trial needs from data-quality tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from policies.schema import Expectation
from policies.vocabulary import Value


class ContractLine(Value):
    expectation: str
    column: str
    success: bool
    observed: str


class DataContract(Protocol):
    def validate(
        self, rows: Sequence[dict[str, Any]], expectations: Sequence[Expectation]
    ) -> Sequence[ContractLine]:
        """One line an expectation. An expectation that raises is a failed line, never a pass.

        An unknown expectation type is ``RefusedError``; no rows is ``EvidenceError``.
        """


class DriftPage(Protocol):
    def draw(
        self, reference: Sequence[dict[str, Any]], current: Sequence[dict[str, Any]], to: Path
    ) -> Path:
        """Write the drift page (HTML) for people to read. It gates nothing."""
