"""Rates of requests that are independent of each other, weighed hour by hour.

With ``relative`` the bounds are shares of the champion's rate and all of ``rates`` applies. With
absolute bounds the exact part is that of ``count_mixture``, and the rest is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, WindowPair
from tasks.evidence.arms import sums
from tasks.evidence.count_mixture import CountWindow, log_e_count_above, log_e_count_below
from tasks.evidence.normal_mixture import log_e_mixed
from tasks.evidence.onset import in_order
from tasks.evidence.rates import EXACT_SHARE, Rates
from tasks.evidence.summary import NO_COUNTS, merge_counts
from tasks.evidence.weighed import Weighed
from tasks.evidence.windows import both

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

Looks = Callable[[float], "Floats"]
FURTHEST_RATIO = 1000.0  # no effect is sought beyond a thousand times the champion's rate


def by_request(
    guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget
) -> Weighed | None:
    """``None`` without rows of both arms in one window."""
    told = _told(windows)
    rates = rates_of(guardrail, windows, budget)
    if rates is None:
        return None
    harm, safe = _looks(guardrail, told, rates)
    return Weighed(
        effect=_effect(rates, relative=guardrail.relative),
        log_e_harm=lambda bound: float(harm(bound)[-1]),
        log_e_safe=lambda bound: float(safe(bound)[-1]),
        lowest=-0.999,
        highest=FURTHEST_RATIO if guardrail.relative else 0.999,
        rows=sum(candidate.n for _, _, candidate in told),
        clusters=len(told),
        method="independent requests: exact counts" + ("" if rates.rare.all() else ", then sums"),
        unit="hours",
        least=1,
    )


def rates_of(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Rates | None:
    """The windows with rows of both arms, and what is fixed before them; as of every look."""
    told = _told(windows)
    return _rates(guardrail, told, budget) if told else None


def _told(windows: Sequence[WindowPair]) -> list[tuple[str, Counts, Counts]]:
    told = [(w.step, *both(w)) for w in in_order(windows)]
    return [each for each in told if each[1].n > 0 and each[2].n > 0]


def _rates(guardrail: Guardrail, told: Sequence[Any], budget: Budget) -> Rates:
    import numpy as np

    steps = {step: place for place, step in enumerate(dict.fromkeys(step for step, _, _ in told))}
    step = np.array([steps[name] for name, _, _ in told], dtype=float)
    na, xa = (np.array([getattr(a, k) for _, a, _ in told], dtype=float) for k in ("n", "events"))
    nb, xb = (np.array([getattr(b, k) for _, _, b in told], dtype=float) for k in ("n", "events"))
    rates = Rates.of(
        step, na, xa, nb, xb,
        planned=1.0, alpha=budget.rollback_alpha, beta=budget.promote_beta,
    )  # fmt: skip
    base = _base(rates)
    spread = base * (1.0 - base)
    scale = spread**2 / base**2 if guardrail.relative else spread**2
    return Rates(rates.arms, xa, xb, guardrail.information * scale, rates.alpha, rates.beta)


def _base(rates: Rates) -> float:
    """The champion's rate in the windows weighed exactly: settled before the scale is used."""
    import numpy as np

    n = float(np.where(rates.rare, rates.arms.na, 0.0).sum())
    x = float(np.where(rates.rare, rates.xa, 0.0).sum())
    return min(max((x + 0.5) / (n + 1.0), 1e-9), 0.5)


def _effect(rates: Rates, *, relative: bool) -> float:
    """Difference of the rates inside windows, as a share of the champion's when ``relative``."""
    arms, h = rates.arms, rates.arms.weight
    difference = float((h * (arms.mean_b - arms.mean_a)).sum())
    champion = float((h * arms.mean_a).sum())
    if not relative:
        return difference / float(h.sum())
    half = 0.5 * float(h.sum()) / float(arms.na.sum())  # half an event where there was none
    return difference / (champion or half)


def _looks(guardrail: Guardrail, told: Sequence[Any], rates: Rates) -> tuple[Looks, Looks]:
    if guardrail.relative:
        return rates.log_e_harm, rates.log_e_safe
    return _absolute(guardrail, told, rates)


def _absolute(guardrail: Guardrail, told: Sequence[Any], rates: Rates) -> tuple[Looks, Looks]:
    """At the last look only: the exact part of absolute bounds is not summed on the way."""
    import numpy as np

    every, before = [], NO_COUNTS
    for _, champion, candidate in told:
        every.append(CountWindow(champion=champion, candidate=candidate, before=before))
        before = merge_counts(before, champion)
    rare = [window for window, is_rare in zip(every, rates.rare, strict=True) if is_rare]
    margin = min(guardrail.margin, 0.99)

    def normal(bound: float, sign: float, rate: float) -> Any:
        s, v = sums(rates.arms, 1.0, bound, ~rates.rare)
        return log_e_mixed(sign * s[-1:], v[-1:], rates.planned, rate)

    def harm(bound: float) -> Floats:
        then = log_e_count_above(rare, bound, margin) + normal(bound, 1.0, rates.alpha)
        exact = math.log(EXACT_SHARE) + log_e_count_above(every, bound, margin)
        found: Floats = np.logaddexp(exact, math.log1p(-EXACT_SHARE) + then)
        return found

    def safe(bound: float) -> Floats:
        found: Floats = log_e_count_below(rare, bound, margin) + normal(bound, -1.0, rates.beta)
        return found

    return harm, safe
