"""What the words for metrics mean, one row at a time."""

from __future__ import annotations

import math

from policies.errors import EvidenceError, RefusedError
from policies.vocabulary import Arm, Stage

LEAST_PROBABILITY = 1e-15  # a certain and wrong answer costs 34.5, not infinity
LOSSES = ("log_loss", "brier")
FAULTS = ("error", "slow")
OLDEST_DAYS = 14  # a survey tells older rows together
ARMS = (Arm.CHAMPION.value, Arm.CANDIDATE.value)
INSTEAD = "fallback:"  # how the reason begins of an answer given in another's place
MIRRORED = Stage.SHADOW.value  # the step at which users get nothing of the candidate
UNMIRRORED = (Stage.STAGING.value, "")  # steps at which nobody expects both to score


def loss(metric: str, score: float, label: float) -> float:
    """How much one answer cost: greater is worse."""
    if metric == "brier":
        return (score - label) ** 2
    sure = min(max(score, LEAST_PROBABILITY), 1.0 - LEAST_PROBABILITY)
    return -(label * math.log(sure) + (1.0 - label) * math.log(1.0 - sure))


def check_loss(metric: str) -> None:
    if metric not in LOSSES:
        raise RefusedError(f"{metric!r} is no loss.", advice=f"Known: {', '.join(LOSSES)}.")


def refuse_endless(metric: str, count: int) -> None:
    """Values that are no numbers make a comparison of their metric broken, and nothing less."""
    if count:
        raise EvidenceError(f"{metric}: {count:,} posted values are not finite numbers.")


def check_fault(metric: str, slow_ms: float | None) -> None:
    if metric not in FAULTS:
        raise RefusedError(f"{metric!r} cannot be counted.", advice=f"Known: {', '.join(FAULTS)}.")
    if metric == "slow" and slow_ms is None:
        raise RefusedError("Nobody said what is slow.", advice="Set slow_ms in the guardrail.")
