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

from collections.abc import Sequence

from policies.schema import Guardrail
from policies.vocabulary import Moments, WindowPair

NOBODY = Moments(n=0)


def unit_differences(
    guardrail: Guardrail, windows: Sequence[WindowPair]
) -> list[tuple[float, float, int]]:
    """Of each window: its weight, how much worse the candidate is, and the candidate's units.

    No weight where an arm has nobody: at full weight there is nobody to compare with, and what
    was shown before stands.
    """
    sign = -1.0 if guardrail.direction == "up" else 1.0
    return [
        (a.n * b.n / max(a.n + b.n, 1), sign * (b.mean - a.mean), b.n if a.n else 0)
        for a, b in ((w.champion_units or NOBODY, w.candidate_units or NOBODY) for w in windows)
    ]
