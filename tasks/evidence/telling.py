"""What was weighed, told as evidence: status, detail, and the windows it stands on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Evidence, WindowPair
from tasks.evidence.weighed import Weighed

STATISTICS_VERSION = "4"
TOO_LARGE = "The windows hold numbers too large to be weighed."


class Numbers(NamedTuple):
    """What an e-process and its inverse give at one look."""

    lower: float | None
    upper: float | None
    log_e_harm: float
    log_e_safe: float
    log_e_better: float


def nothing_yet(guardrail: Guardrail, margin: float) -> Evidence:
    """No windows are scarce evidence, never good evidence."""
    return Evidence(
        name=guardrail.name,
        kind="sequential",
        status="scarce",
        margin=margin,
        rollback_at=guardrail.rollback_at,
        weight=guardrail.weight,
        unit="days",
        log_e_harm=0.0,
        log_e_safe=0.0,
        detail="No day with rows of both models has been observed yet.",
    )


def on_record(told: Evidence, windows: tuple[WindowPair, ...]) -> Evidence:
    """With the windows that it was computed from: each was checked when it was weighed."""
    return told.model_copy(update={"windows": windows})


def tell(common: Evidence, weighed: Weighed, numbers: Numbers, budget: Budget) -> Evidence:
    least = budget.min_clusters if weighed.least is None else weighed.least
    enough = weighed.clusters >= least and not weighed.is_flat
    safe, better = numbers.log_e_safe, numbers.log_e_better
    detail = f"{weighed.clusters} {weighed.unit} with rows of both models."
    if weighed.is_flat:
        detail = (
            f"All {weighed.clusters} {weighed.unit} show the very same difference, so nothing is "
            "known of chance. Is it the candidate that answers?"
        )
    elif not enough:
        detail = f"{weighed.clusters} of at least {least} {weighed.unit} observed."
    if not enough:
        safe, better = min(safe, 0.0), min(better, 0.0)
    return common.model_copy(
        update={
            "status": "ok" if enough else "scarce",
            "effect": weighed.effect,
            "lower": numbers.lower,
            "upper": numbers.upper,
            "log_e_harm": numbers.log_e_harm,
            "log_e_safe": safe,
            "log_e_better": better,
            "n": weighed.rows,
            "clusters": weighed.clusters,
            "unit": weighed.unit,
            "method": f"{weighed.method}, statistics {STATISTICS_VERSION}",
            "detail": detail,
        }
    )


def refuse_endless(told: Evidence) -> Evidence:
    """The same evidence; ``EvidenceError`` when a number of it is none."""
    e_values = (told.log_e_harm, told.log_e_safe, told.log_e_better)
    for value in (told.effect, told.lower, told.upper, *e_values):
        if value is not None and not math.isfinite(value):
            raise EvidenceError(f"{told.name}: {TOO_LARGE}")
    return told


def broken(guardrail: Guardrail, windows: Sequence[WindowPair], error: EvidenceError) -> Evidence:
    """A comparison that is none: it holds, and its e-values are those of no evidence.

    The windows stay on the record as they came, where a record can hold them.
    """
    bounds = (guardrail.margin, guardrail.rollback_at)
    margin, rollback_at = (bound if math.isfinite(bound) else None for bound in bounds)
    return Evidence(
        name=guardrail.name,
        kind="sequential",
        status="invalid",
        margin=margin,
        rollback_at=rollback_at,
        weight=guardrail.weight,
        log_e_harm=0.0,
        log_e_safe=0.0,
        windows=tuple(windows) if _can_be_recorded(windows) else (),
        detail=f"{error.message} {error.advice}".strip(),
    )


def _can_be_recorded(windows: Sequence[WindowPair]) -> bool:
    try:
        return all(WindowPair.model_validate(w.model_dump(warnings=False)) == w for w in windows)
    except ValueError:
        return False
