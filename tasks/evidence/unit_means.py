"""A business metric between two arms, from the means of the units that each of them answered.

Units are randomised, rows are not: one value a unit and step, winsorised at the policy's cap.
The share of the candidate differs from step to step, and who comes differs from day to day, so
arms are only ever compared within one day and step, and never pooled over them: with shares
that change, pooled means can differ in one direction while every part differs in the other
(Simpson 1951). A day's differences are averaged with weights ``n_a n_b / (n_a + n_b)``, which
depend on the counts alone and so carry no news of the effect; then a day is one cluster, as in
``day_mixture``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from policies.schema import Guardrail
from policies.vocabulary import Moments, WindowPair
from tasks.evidence.day_mixture import Days, summarise_days
from tasks.evidence.windows import by_day


def unit_days(
    guardrail: Guardrail, windows: Sequence[WindowPair], trusted_from: int
) -> tuple[Days, int] | None:
    """Days of differences, greater is worse, and the candidate's units in them.

    ``None`` when no window has units of both arms: at full weight there is nobody to compare
    with, and what was shown before stands.
    """
    means, sizes, units = [], [], 0
    for day in by_day(windows):
        pairs = [pair for pair in map(_arms, day) if pair[0].n > 0 and pair[1].n > 0]
        if not pairs:
            continue
        weights = [a.n * b.n / (a.n + b.n) for a, b in pairs]
        worse = [_worse(guardrail, a, b) for a, b in pairs]
        size = math.fsum(weights)
        means.append(math.fsum(w * d for w, d in zip(weights, worse, strict=True)) / size)
        sizes.append(size)
        units += sum(b.n for _, b in pairs)
    return (summarise_days(means, sizes, trusted_from), units) if means else None


def _arms(window: WindowPair) -> tuple[Moments, Moments]:
    none = Moments(n=0)
    return window.champion_units or none, window.candidate_units or none


def _worse(guardrail: Guardrail, champion: Moments, candidate: Moments) -> float:
    gain = candidate.mean - champion.mean
    return -gain if guardrail.direction == "up" else gain
