"""One guardrail's windows become evidence that may be looked at any number of times.

Two e-processes a guardrail: harm, against "not worse than ``rollback_at``", and safe, against
"at least as bad as the margin". Both are reported at their *current* value. The running
maximum would be valid for one guardrail alone (Ville), but the verdict averages guardrails,
and an average of running maxima is no e-process while an average of current values is. Nothing
is lost: the flow acts at the look that crosses, and a rollback is final. For safe the current
value also means that proof which later days have worn away is not proof any more.

A day is one cluster. Paired quality is weighed by ``day_mixture`` throughout. Rates are
weighed exactly by ``count_mixture`` until both arms have had ``MANY_EVENTS``, and by
``day_mixture`` of the days' differences from the next day on; which of the two a day uses is
settled before that day, and the factors multiply, so the whole stays an e-process. For harm
half of the mixture stays with the exact counts: users who are failed now cannot wait for
enough days to tell a bad week from a bad model.

Before ``min_clusters`` days harm is reported as it stands (both cores hold from the first
days), but safe is withheld: a few calm days cannot speak for the week.

``Guardrail.information`` is fixed before the release and sets where the mixture is sharp. A
wrong figure costs power, never validity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, Evidence, WindowPair
from tasks.evidence.count_mixture import CountWindow, log_e_count_above, log_e_count_below
from tasks.evidence.day_mixture import (
    Days,
    log_e_above,
    log_e_below,
    log_mean_exp,
    summarise_days,
)
from tasks.evidence.summary import NO_COUNTS, merge_counts
from tasks.evidence.windows import both, by_day, is_rate, sum_moments, tidy

STATISTICS_VERSION = "1"
MANY_EVENTS = 20  # in either arm, before normal theory may weigh a rate
HALVINGS = 18  # of the interval: finer than anybody reads
GREATEST_RATE_MARGIN = 0.99  # a looser stage margin than this would ask nothing


@dataclass(frozen=True)
class _Weighed:
    """What either kind of guardrail yields: the e-processes as functions of the bound."""

    effect: float
    log_e_harm: Callable[[float], float]
    log_e_safe: Callable[[float], float]
    lowest: float  # no effect is sought beyond these two
    highest: float
    rows: int
    days: int
    method: str


def weigh(
    guardrail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    *,
    margin_factor: float = 1.0,
) -> Evidence:
    """Weigh all windows of a release for one guardrail, in any order.

    Windows of one day and step are added together; rows, days and steps may arrive in any
    order. ``EvidenceError`` for windows that cannot be: negative, NaN, more events than rows,
    the wrong kind, or days that overlap. No windows are scarce evidence, never good evidence.
    """
    if not (math.isfinite(margin_factor) and margin_factor >= 1.0):
        raise EvidenceError(f"margin_factor is {margin_factor}, it must be at least 1.")
    ordered = tidy(guardrail, windows)
    margin = guardrail.margin * margin_factor
    if is_rate(guardrail):
        margin = min(margin, GREATEST_RATE_MARGIN)
    weighed = (
        _rates(guardrail, ordered, budget)
        if is_rate(guardrail)
        else _paired(guardrail, ordered, budget)
    )
    common = Evidence(
        name=guardrail.name,
        kind="sequential",
        status="scarce",
        margin=margin,
        rollback_at=guardrail.rollback_at,
        weight=guardrail.weight,
        unit="days",
        log_e_harm=0.0,
        log_e_safe=0.0,
        windows=ordered,
        detail="No day with rows of both models has been observed yet.",
    )
    return common if weighed is None else _tell(common, weighed, guardrail, margin, budget)


def weigh_all(
    guardrails: Sequence[Guardrail],
    windows: Mapping[str, Sequence[WindowPair]],
    budget: Budget,
    *,
    margin_factor: float = 1.0,
) -> list[Evidence]:
    """Every guardrail that has windows, and each of its groups by itself.

    A stage widens the margin of the whole; that of a group stays as it is declared.
    """
    found = []
    for guardrail in guardrails:
        if guardrail.name not in windows:
            continue
        whole = guardrail.whole()
        found.append(weigh(whole, windows[guardrail.name], budget, margin_factor=margin_factor))
        for part in guardrail.by_segment().values():
            found.append(weigh(part, windows.get(part.name, ()), budget))
    return found


def _tell(
    common: Evidence, weighed: _Weighed, guardrail: Guardrail, margin: float, budget: Budget
) -> Evidence:
    enough = weighed.days >= budget.min_clusters
    log_e_safe = weighed.log_e_safe(margin)
    detail = f"{weighed.days} days with rows of both models."
    if not enough:
        log_e_safe = min(log_e_safe, 0.0)
        detail = f"{weighed.days} of at least {budget.min_clusters} days observed."
    lower, upper = _interval(weighed, budget)
    return common.model_copy(
        update={
            "status": "ok" if enough else "scarce",
            "effect": weighed.effect,
            "lower": lower,
            "upper": upper,
            "log_e_harm": weighed.log_e_harm(guardrail.rollback_at),
            "log_e_safe": log_e_safe,
            "n": weighed.rows,
            "clusters": weighed.days,
            "method": f"{weighed.method}, statistics {STATISTICS_VERSION}",
            "detail": detail,
        }
    )


def _paired(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> _Weighed | None:
    moments = [sum_moments(w.paired for w in day) for day in by_day(windows)]
    moments = [m for m in moments if m.n > 0]
    if not moments:
        return None
    days = summarise_days([m.mean for m in moments], [m.n for m in moments], budget.min_clusters)
    reach = 20.0 * (math.sqrt(days.m2 / days.weight) + guardrail.margin)
    return _Weighed(
        effect=days.mean,
        log_e_harm=lambda r: log_e_above(days, r, guardrail.information, budget.rollback_alpha),
        log_e_safe=lambda m: log_e_below(days, m, guardrail.information, budget.promote_beta),
        lowest=days.mean - reach,
        highest=days.mean + reach,
        rows=sum(m.n for m in moments),
        days=days.n,
        method="paired day means",
    )


@dataclass(frozen=True)
class _Split:
    """All windows; those of rare events, and the days that followed them."""

    every: tuple[CountWindow, ...]
    rare: tuple[CountWindow, ...]
    many: Days
    effect: float
    days: int
    rows: int


def _rates(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> _Weighed | None:
    split = _split(windows, budget)
    if split is None:
        return None
    plan, margin = guardrail.information, min(guardrail.margin, GREATEST_RATE_MARGIN)

    def harm(bound: float) -> float:
        rare = log_e_count_above(split.rare, bound, margin)
        if split.many.n == 0:
            return rare
        then_days = rare + log_e_above(split.many, bound, plan, budget.rollback_alpha)
        return log_mean_exp([log_e_count_above(split.every, bound, margin), then_days])

    def safe(bound: float) -> float:
        exact = log_e_count_below(split.rare, bound, margin)
        return exact + log_e_below(split.many, bound, plan, budget.promote_beta)

    return _Weighed(
        effect=split.effect,
        log_e_harm=harm,
        log_e_safe=safe,
        lowest=-0.999,
        highest=0.999,
        rows=split.rows,
        days=split.days,
        method="exact counts, then day differences" if split.many.n else "exact counts",
    )


def _split(windows: Sequence[WindowPair], budget: Budget) -> _Split | None:
    champion, candidate = NO_COUNTS, NO_COUNTS
    every: list[CountWindow] = []
    rare: list[CountWindow] = []
    means: list[float] = []
    sizes: list[float] = []
    information = difference = 0.0
    days = 0
    for day in by_day(windows):
        pairs = [p for p in map(both, day) if p[0].n > 0 and p[1].n > 0]
        if not pairs:
            continue
        days += 1
        size = math.fsum(_size(*p) for p in pairs)
        total = math.fsum(_size(*p) * _difference(*p) for p in pairs)
        information, difference = information + size, difference + total
        counted = [CountWindow(champion=a, candidate=b, before=champion) for a, b in pairs]
        every += counted
        if min(champion.events, candidate.events) < MANY_EVENTS:
            rare += counted
        else:
            means.append(total / size)
            sizes.append(size)
        for a, b in pairs:
            champion, candidate = merge_counts(champion, a), merge_counts(candidate, b)
    if not days:
        return None
    many = summarise_days(means, sizes, budget.min_clusters)
    return _Split(tuple(every), tuple(rare), many, difference / information, days, candidate.n)


def _size(champion: Counts, candidate: Counts) -> float:
    """Precision weight of a window's difference: it depends on the allocation alone."""
    return champion.n * candidate.n / (champion.n + candidate.n)


def _difference(champion: Counts, candidate: Counts) -> float:
    return candidate.events / candidate.n - champion.events / champion.n


def _interval(weighed: _Weighed, budget: Budget) -> tuple[float | None, float | None]:
    """The effects that neither e-process rejects at the budget's error rates.

    ``None`` where even the furthest effect sought is not rejected.
    """
    harm, safe = -math.log(budget.rollback_alpha), -math.log(budget.promote_beta)
    lower = _edge(weighed.log_e_harm, weighed.lowest, weighed.effect, harm)
    upper = _edge(weighed.log_e_safe, weighed.highest, weighed.effect, safe)
    return lower, upper


def _edge(
    log_e: Callable[[float], float], rejected: float, kept: float, threshold: float
) -> float | None:
    """Where the e-process crosses the threshold; the side nearer to "not rejected" is told."""
    if log_e(rejected) < threshold:
        return None
    for _ in range(HALVINGS):
        middle = (rejected + kept) / 2.0
        if log_e(middle) >= threshold:
            rejected = middle
        else:
            kept = middle
    return rejected
