"""What every kind of guardrail yields before it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Weighed:
    """The e-processes as functions of the bound, at their current value."""

    effect: float
    log_e_harm: Callable[[float], float]
    log_e_safe: Callable[[float], float]
    lowest: float  # no effect is sought beyond these two
    highest: float
    rows: int
    clusters: int
    method: str
    unit: str = "days"
    least: int | None = None  # clusters before safety may be claimed; the budget's when ``None``
    is_flat: bool = False  # clusters that differ by nothing tell nothing of chance
