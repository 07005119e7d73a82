"""A ratio of two sums of users who are independent of each other: cost a request, items an order.

Requests of one user are alike, so a ratio of sums varies by user and not by request. Each user's
two sums are taken together as ``y - R x``, with ``R`` the champion's ratio (the delta method:
Deng, Knoblich and Lu 2018), which is a mean of independent values, and weighed as such a mean is.
``R`` comes from the champion's windows before the first that is weighed, as a rule from the
shadow, and stays: an ``R`` of the same windows would make each sum depend on those after it, and
their increments would be no fair game. It need not be right: what is tested is::

    y_B - k R x_B - k (y_A - R x_A)      (relative; k one plus the bound)
    y_B - (R + bound) x_B - (y_A - R x_A)      (absolute)

whose mean on the border is off by the champion's distance from ``R`` times the difference of the
arms' ``x``: a product of two small numbers, and zero where a candidate changes one of the two.

Windows that were spent on ``R`` are not weighed. Effects are differences of ratios (``relative``:
as shares of the champion's).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import PairMoments, WindowPair
from tasks.evidence.arms import Arms, sums
from tasks.evidence.means import MANY_UNITS
from tasks.evidence.normal_mixture import log_e_mixed
from tasks.evidence.onset import in_order
from tasks.evidence.summary import NO_PAIRS, merge_pairs
from tasks.evidence.weighed import Weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

Told = tuple[str, PairMoments, PairMoments]  # step, champion, candidate
REACH = 20.0  # standard errors and margins: no effect is sought beyond


def by_ratio(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    """``None`` without a ratio to compare with, or without users of both arms in one window."""
    told = [
        (w.step, w.champion_pairs or NO_PAIRS, w.candidate_pairs or NO_PAIRS)
        for w in in_order(windows)
    ]
    before, rest = _parted(told)
    if not rest:
        return None
    ratios = Ratios.of(guardrail, before, rest)
    if guardrail.relative:
        _refuse_below_zero(guardrail, ratios)
    effect = ratios.effect
    reach = REACH * (abs(effect) + guardrail.margin + ratios.error)
    return Weighed(
        effect=effect,
        log_e_harm=lambda bound: ratios.log_e(bound, 1.0, budget.rollback_alpha),
        log_e_safe=lambda bound: ratios.log_e(bound, -1.0, budget.promote_beta),
        lowest=effect - reach,
        highest=effect + reach,
        rows=int(ratios.nb.sum()),
        clusters=ratios.users,
        method=f"ratio of independent users, linearised at {ratios.ratio:.6g}",
        unit="users",
        least=MANY_UNITS,
    )


def _refuse_below_zero(guardrail: Guardrail, ratios: Ratios) -> None:
    """As of a mean (``users``): a share more of what is below zero is less."""
    if ratios.ratio < 0.0 or float((ratios.weight * ratios.a[2]).sum()) < 0.0:
        raise EvidenceError(
            f"{guardrail.name}: the champion's ratio is below zero, and bounds are shares of it.",
            advice="Give the bounds in the metric's own unit: relative: false.",
        )


def _parted(told: Sequence[Told]) -> tuple[PairMoments, list[Told]]:
    """What the ratio is taken from, and the windows of both arms after it."""
    before = NO_PAIRS
    for place, (_, champion, candidate) in enumerate(told):
        both = champion.n > 0 and candidate.n > 0
        if both and before.n >= MANY_UNITS and before.mean_x > 0.0:
            return before, [each for each in told[place:] if each[1].n > 0 and each[2].n > 0]
        before = merge_pairs(before, champion)
    return before, []


@dataclass(frozen=True)
class Ratios:
    """Both sums of both arms, window by window, and what was fixed before them."""

    step: Floats
    a: Floats  # a row for each field of a summary: n, mean_x, mean_y, m2_x, m2_y, c_xy
    b: Floats
    ratio: float
    planned: float  # V at the end of the release
    sign: float  # 1: greater is worse
    relative: bool

    @staticmethod
    def of(guardrail: Guardrail, before: PairMoments, told: Sequence[Told]) -> Ratios:
        import numpy as np

        places = {name: n for n, name in enumerate(dict.fromkeys(name for name, _, _ in told))}
        ratio = before.mean_y / before.mean_x
        unit = before.mean_x * (abs(ratio) if guardrail.relative and ratio else 1.0)
        spread = _squares(before, ratio) / (before.n - 1)
        return Ratios(
            step=np.array([places[name] for name, _, _ in told], dtype=float),
            a=_table([champion for _, champion, _ in told]),
            b=_table([candidate for _, _, candidate in told]),
            ratio=ratio,
            planned=guardrail.information * (spread / unit) ** 2 or 1.0,
            sign=-1.0 if guardrail.direction == "up" else 1.0,
            relative=guardrail.relative,
        )

    def log_e(self, bound: float, side: float, error_rate: float) -> float:
        """``side`` 1: against "at most ``bound`` worse"; -1: against "at least"."""
        if self.users < MANY_UNITS:
            return 0.0
        arms, factor = self.linear(bound)
        s, v = sums(arms, factor, 0.0)
        return float(log_e_mixed(side * s[-1:], v[-1:], self.planned, error_rate)[-1])

    def linear(self, bound: float) -> tuple[Arms, float]:
        """One value a user, oriented, and how often the champion's counts on the border."""
        factor = 1.0 + self.sign * bound if self.relative else 1.0
        border = factor * self.ratio if self.relative else self.ratio + self.sign * bound
        (mean_a, m2_a), (mean_b, m2_b) = _linear(self.a, self.ratio), _linear(self.b, border)
        means = self.sign * mean_a, self.sign * mean_b
        return Arms(self.step, self.na, means[0], m2_a, self.nb, means[1], m2_b), factor

    @property
    def na(self) -> Floats:
        found: Floats = self.a[0]
        return found

    @property
    def nb(self) -> Floats:
        found: Floats = self.b[0]
        return found

    @cached_property
    def weight(self) -> Floats:
        found: Floats = self.na * self.nb / (self.na + self.nb)
        return found

    @cached_property
    def users(self) -> int:
        return int(min(self.na.sum(), self.nb.sum()))

    @cached_property
    def _scale(self) -> tuple[float, float]:
        """Information of the windows, and what a difference of values is divided by."""
        below, above = (float((self.weight * self.a[row]).sum()) for row in (1, 2))
        return float(self.weight.sum()), abs(above) if self.relative else below

    @cached_property
    def effect(self) -> float:
        arms, _ = self.linear(0.0)
        _, unit = self._scale
        difference = float((arms.weight * (arms.mean_b - arms.mean_a)).sum())
        return difference / unit if unit > 0.0 else 0.0

    @cached_property
    def error(self) -> float:
        """Roughly: it only says how far to look for an interval."""
        arms, _ = self.linear(0.0)
        information, unit = self._scale
        spread = float(arms.spread_a[-1] + arms.spread_b[-1])
        return math.sqrt(spread * information) / unit if unit > 0.0 else 0.0


def _table(parts: Sequence[PairMoments]) -> Floats:
    import numpy as np

    rows = [(p.n, p.mean_x, p.mean_y, p.m2_x, p.m2_y, p.c_xy) for p in parts]
    return np.array(rows, dtype=float).T


def _linear(table: Floats, slope: float) -> tuple[Floats, Floats]:
    """Mean and squared deviations of ``y - slope x``."""
    import numpy as np

    _, mean_x, mean_y, m2_x, m2_y, c_xy = table
    squares = m2_y - 2.0 * slope * c_xy + slope * slope * m2_x
    return mean_y - slope * mean_x, np.maximum(squares, 0.0)


def _squares(part: PairMoments, slope: float) -> float:
    return max(part.m2_y - 2.0 * slope * part.c_xy + slope * slope * part.m2_x, 0.0)
