"""All guardrails that are weighed by day means, at once: one array operation for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from policies.schema import Budget, Guardrail
from policies.vocabulary import Evidence
from tasks.evidence.day_mixture import log_e_above, log_e_below
from tasks.evidence.day_sums import Days, stacked
from tasks.evidence.onset import mixed
from tasks.evidence.running import METHODS, Running
from tasks.evidence.telling import Numbers, nothing_yet, tell
from tasks.evidence.weighed import Weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

Only = Literal["harm", "safe"] | None  # one question instead of both and an interval
HALVINGS = 18  # of the interval: finer than anybody reads
REACH = 20.0  # day-to-day standard deviations and margins: no effect is sought beyond


class Asked(NamedTuple):
    """One guardrail's windows, under the margin of the step."""

    running: Running
    margin: float


def weigh_days(
    asked: Sequence[Asked], budget: Budget, *, later_steps: int = 0, only: Only = None
) -> list[Evidence]:
    """In the order in which they were asked; without their windows."""
    found = [nothing_yet(a.running.guardrail, a.margin) for a in asked]
    folds = [[fold.sums.summary(budget.min_clusters) for fold in a.running.folds] for a in asked]
    seen = [place for place, days in enumerate(folds) if days[0].n > 0]
    if not seen:
        return found
    numbers = _numbers(
        [asked[place] for place in seen], [folds[place][0] for place in seen], budget, only
    )
    for place, each in zip(seen, numbers, strict=True):
        running = asked[place].running
        weighed = days_weighed(running.guardrail, folds[place][0], budget, running.folds[0].rows)
        found[place] = tell(found[place], weighed, each, budget)
    if not later_steps or only == "safe":
        return found
    return _with_onset(asked, found, folds, budget, later_steps)


def days_weighed(
    guardrail: Guardrail, days: Days, budget: Budget, rows: int, method: str = ""
) -> Weighed:
    plan, alpha, beta = guardrail.information, budget.rollback_alpha, budget.promote_beta
    lowest, highest = _furthest(days, guardrail.margin)
    return Weighed(
        effect=days.mean,
        log_e_harm=lambda bound: float(log_e_above(days, bound, plan, alpha)),
        log_e_safe=lambda bound: float(log_e_below(days, bound, plan, beta)),
        lowest=lowest,
        highest=highest,
        rows=rows,
        clusters=days.n,
        method=method or METHODS[guardrail.kind],
        is_flat=days.is_flat,
    )


def _furthest(days: Days, margin: Any) -> tuple[Any, Any]:
    reach = REACH * ((days.m2 / days.weight) ** 0.5 + margin)
    return days.mean - reach, days.mean + reach


def _numbers(
    asked: Sequence[Asked], summaries: Sequence[Days], budget: Budget, only: Only
) -> list[Numbers]:
    import numpy as np

    days = stacked(summaries)
    rails = [a.running.guardrail for a in asked]
    plan = np.array([rail.information for rail in rails])
    margin = np.array([a.margin for a in asked])
    lowest, highest = _furthest(days, np.array([rail.margin for rail in rails]))
    alpha, beta = budget.rollback_alpha, budget.promote_beta

    def harm(bound: Any) -> Floats:
        return np.asarray(log_e_above(days, bound, plan, alpha))

    def safe(bound: Any) -> Floats:
        return np.asarray(log_e_below(days, bound, plan, beta))

    unknown, nothing = [None] * len(rails), [0.0] * len(rails)
    columns: tuple[Sequence[Any], ...] = (
        unknown if only else edges(harm, lowest, days.mean, -math.log(alpha)),
        unknown if only else edges(safe, highest, days.mean, -math.log(beta)),
        nothing if only == "safe" else harm(_bounds(rails)).tolist(),
        nothing if only == "harm" else safe(margin).tolist(),
        nothing if only == "harm" else safe(np.zeros(len(rails))).tolist(),
    )
    return [Numbers(*row) for row in zip(*columns, strict=True)]


def _bounds(rails: Sequence[Guardrail]) -> Floats:
    import numpy as np

    return np.array([rail.rollback_at for rail in rails])


def edges(
    log_e: Callable[[Floats], Floats], rejected: Floats, kept: Floats, threshold: float
) -> list[float | None]:
    """Where e-processes cross the threshold; the side nearer to "not rejected" is told.

    ``None`` where even the furthest effect sought is not rejected.
    """
    import numpy as np

    is_there = log_e(rejected) >= threshold
    for _ in range(HALVINGS):
        middle = (rejected + kept) / 2.0
        beyond = log_e(middle) >= threshold
        rejected, kept = np.where(beyond, middle, rejected), np.where(beyond, kept, middle)
    return [at if there else None for at, there in zip(rejected.tolist(), is_there, strict=True)]


def _with_onset(
    asked: Sequence[Asked],
    found: Sequence[Evidence],
    folds: Sequence[Sequence[Days]],
    budget: Budget,
    later_steps: int,
) -> list[Evidence]:
    """Harm that begins with a later step: each step's share of the mixture (see ``onset``)."""
    import numpy as np

    owners = [place for place, days in enumerate(folds) for each in days[1:] if each.n > 0]
    parts = [each for days in folds for each in days[1:] if each.n > 0]
    harms = _since(parts, [asked[place].running.guardrail for place in owners], budget)
    told = []
    for place, (item, days) in enumerate(zip(found, folds, strict=True)):
        if not asked[place].running.added:
            told.append(item)
            continue
        mine = [next(harms) for each in days[1:] if each.n > 0]
        whole = item.log_e_harm or 0.0
        update: dict[str, Any] = {"log_e_harm": mixed(whole, mine, later_steps)}
        if mine and max(mine) > max(whole, 0.0):
            since = [n for n, each in enumerate(days) if n and each.n > 0][int(np.argmax(mine))]
            step, part = asked[place].running.steps[since], days[since]
            update["onset"] = f"since {step} began {part.mean:+.4f} in {part.n} days"
        told.append(item.model_copy(update=update))
    return told


def _since(parts: Sequence[Days], rails: Sequence[Guardrail], budget: Budget) -> Any:
    import numpy as np

    if not parts:
        return iter(())
    plan = np.array([rail.information for rail in rails])
    return iter(log_e_above(stacked(parts), _bounds(rails), plan, budget.rollback_alpha).tolist())
