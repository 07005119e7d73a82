"""A business metric of users who are independent of each other, also those of one day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Moments, WindowPair
from tasks.evidence.arms import Arms
from tasks.evidence.means import MANY_UNITS, Means
from tasks.evidence.onset import in_order
from tasks.evidence.weighed import Weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

NOBODY = Moments(n=0)
REACH = 20.0  # standard errors and margins: no effect is sought beyond


def by_user(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    """``None`` without users of both arms in one window."""
    told = [
        (w.step, w.champion_units or NOBODY, w.candidate_units or NOBODY) for w in in_order(windows)
    ]
    told = [each for each in told if each[1].n > 0 and each[2].n > 0]
    if not told:
        return None
    arms = _arms(guardrail, told)
    if guardrail.relative:
        _refuse_below_zero(guardrail, arms)
    spread, mean = _before(arms)
    scale = spread**2 / mean**2 if guardrail.relative and mean else spread**2
    means = Means(
        arms, guardrail.information * scale or 1.0, budget.rollback_alpha, budget.promote_beta,
        relative=guardrail.relative, negated=guardrail.direction == "up",
    )  # fmt: skip
    effect = _effect(arms, relative=guardrail.relative)
    users = int(min(arms.na.sum(), arms.nb.sum()))
    reach = REACH * (abs(effect) + guardrail.margin + _error(arms, relative=guardrail.relative))
    return Weighed(
        effect=effect,
        log_e_harm=lambda bound: float(means.log_e_harm(bound)[-1]),
        log_e_safe=lambda bound: float(means.log_e_safe(bound)[-1]),
        lowest=effect - reach,
        highest=effect + reach,
        rows=int(arms.nb.sum()),
        clusters=users,
        method="independent users, by day and step",
        unit="users",
        least=MANY_UNITS,
    )


def _arms(guardrail: Guardrail, told: Sequence[tuple[str, Moments, Moments]]) -> Arms:
    """Oriented: greater is worse."""
    import numpy as np

    sign = -1.0 if guardrail.direction == "up" else 1.0
    places = {step: n for n, step in enumerate(dict.fromkeys(step for step, _, _ in told))}
    step = np.array([places[step] for step, _, _ in told], dtype=float)
    a, b = (
        np.array([(arm.n, sign * arm.mean, arm.m2) for arm in column], dtype=float).T
        for column in ([each[1] for each in told], [each[2] for each in told])
    )
    return Arms(step, *a, *b)


def _refuse_below_zero(guardrail: Guardrail, arms: Arms) -> None:
    """Ten percent more than minus ten is less: the bounds would stand on their heads."""
    sign = -1.0 if guardrail.direction == "up" else 1.0
    if sign * float((arms.weight * arms.mean_a).sum()) < 0.0:
        raise EvidenceError(
            f"{guardrail.name}: the champion's mean is below zero, and bounds are shares of it.",
            advice="Give the bounds in the metric's own unit: relative: false.",
        )


def _before(arms: Arms) -> tuple[float, float]:
    """Variance and mean of the first users, from which the scales are fixed."""
    import numpy as np

    enough = np.minimum(np.cumsum(arms.na), np.cumsum(arms.nb)) >= MANY_UNITS
    first = int(enough.argmax()) if enough.any() else len(arms.na) - 1
    seen = arms.na[: first + 1]
    mean = float((seen * arms.mean_a[: first + 1]).sum() / seen.sum())
    return float(arms.spread_a[first]), mean


def _effect(arms: Arms, *, relative: bool) -> float:
    h = arms.weight
    difference = float((h * (arms.mean_b - arms.mean_a)).sum())
    base = abs(float((h * arms.mean_a).sum())) if relative else float(h.sum())
    return difference / base if base else 0.0


def _error(arms: Arms, *, relative: bool) -> float:
    variance = float(arms.spread_a[-1] + arms.spread_b[-1])
    error = math.sqrt(variance / max(float(arms.weight.sum()), 1.0))
    base = abs(float((arms.weight * arms.mean_a).sum() / arms.weight.sum())) if relative else 1.0
    return error / base if base else error
