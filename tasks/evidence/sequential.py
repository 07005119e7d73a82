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

Where the policy says that requests or users are independent of each other (``unit``), rates are
weighed by ``requests`` and business metrics by ``users`` instead.

Before ``min_clusters`` days harm is reported as it stands (both cores hold from the first
days), but safe is withheld: a few calm days cannot speak for the week.

``Guardrail.information`` is fixed before the release and sets where the mixture is sharp. A
wrong figure costs power, never validity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, Evidence, Stage, WindowPair
from tasks.evidence.count_mixture import CountWindow, log_e_count_above, log_e_count_below
from tasks.evidence.day_mixture import (
    Days,
    log_e_above,
    log_e_below,
    log_mean_exp,
    summarise_days,
)
from tasks.evidence.onset import mixed, since_each_step
from tasks.evidence.requests import by_request
from tasks.evidence.summary import NO_COUNTS, merge_counts
from tasks.evidence.unit_means import unit_days
from tasks.evidence.users import by_user
from tasks.evidence.weighed import Weighed
from tasks.evidence.windows import (
    both,
    by_day,
    check_plan,
    is_by_unit,
    is_rate,
    sum_moments,
    tidy,
)

STATISTICS_VERSION = "3"
MIRRORED_STEP = Stage.SHADOW.value  # where no user meets the candidate
MANY_EVENTS = 20  # in either arm, before normal theory may weigh a rate
HALVINGS = 18  # of the interval: finer than anybody reads
TOO_LARGE = "The windows hold numbers too large to be weighed."
GREATEST_RATE_MARGIN = 0.99  # a looser stage margin than this would ask nothing


def weigh(
    guardrail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    *,
    margin_factor: float = 1.0,
    later_steps: int = 0,
    live: bool = False,
) -> Evidence:
    """Weigh all windows of a release for one guardrail, in any order.

    ``later_steps``: how many steps follow the first one with windows; harm that begins with one
    of them is then seen without the days before it (see ``onset``).
    ``live``: users meet the candidate at this step. Failures that only the mirror showed are
    then harm as before, and nothing that speaks for safety: that takes answers users waited for.

    Windows of one day and step are added together; rows, days and steps may arrive in any
    order. ``EvidenceError`` for windows that cannot be: negative, NaN, more events than rows,
    delivered twice, the wrong kind, or days that overlap; and for bounds of the wrong sign. No
    windows are scarce evidence, never good evidence.
    """
    check_plan(guardrail, margin_factor)
    try:
        told = _weigh(guardrail, windows, budget, margin_factor, later_steps, live=live)
    except (ArithmeticError, ValueError) as error:
        raise EvidenceError(f"{guardrail.name}: {TOO_LARGE}") from error
    numbers = (
        told.effect,
        told.lower,
        told.upper,
        told.log_e_harm,
        told.log_e_safe,
        told.log_e_better,
    )
    if not all(math.isfinite(value) for value in numbers if value is not None):
        raise EvidenceError(f"{guardrail.name}: {TOO_LARGE}")
    return told


def _weigh(
    guardrail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    margin_factor: float,
    later_steps: int,
    *,
    live: bool,
) -> Evidence:
    ordered = tidy(guardrail, windows)
    margin = guardrail.margin * margin_factor
    if is_rate(guardrail) and not guardrail.relative:
        margin = min(margin, GREATEST_RATE_MARGIN)
    speaking = ordered
    if live and guardrail.is_seen_when_mirrored:
        speaking = tuple(w for w in ordered if w.step != MIRRORED_STEP)
    weighed = _weighed(guardrail, speaking, budget)
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
    told = common if weighed is None else _tell(common, weighed, guardrail, margin, budget)
    if speaking is not ordered:
        whole = _weighed(guardrail, ordered, budget)
        harm = whole.log_e_harm(guardrail.rollback_at) if whole is not None else 0.0
        told = told.model_copy(update={"log_e_harm": harm})
    if not (later_steps and ordered):
        return told
    return _with_onset(told, guardrail, budget, later_steps)


def _weighed(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    if guardrail.unit == "user":
        return by_user(guardrail, windows, budget)
    if is_by_unit(guardrail):
        return _by_unit(guardrail, windows, budget)
    if guardrail.unit == "request":
        return by_request(guardrail, windows, budget)
    kind = _rates if is_rate(guardrail) else _paired
    return kind(guardrail, windows, budget)


def _with_onset(told: Evidence, guardrail: Guardrail, budget: Budget, later_steps: int) -> Evidence:
    whole = told.log_e_harm or 0.0
    later = [
        (part.log_e_harm(guardrail.rollback_at), since.step, part)
        for since in since_each_step(told.windows)
        if (part := _weighed(guardrail, since.windows, budget)) is not None
    ]
    harm = mixed(whole, [each for each, _, _ in later], later_steps)
    worst, step, part = max(later, key=lambda each: each[0], default=(0.0, "", None))
    onset = ""
    if part is not None and worst > max(whole, 0.0):
        onset = f"since {step} began {part.effect:+.4f} in {part.clusters} {part.unit}"
    return told.model_copy(update={"log_e_harm": harm, "onset": onset})


def weigh_all(
    guardrails: Sequence[Guardrail],
    windows: Mapping[str, Sequence[WindowPair]],
    budget: Budget,
    *,
    margin_factor: float = 1.0,
    later_steps: int = 0,
    live: bool = False,
) -> list[Evidence]:
    """Every guardrail that has windows, and each of its groups by itself.

    A stage widens the margin of the whole; that of a group stays as it is declared. Windows that
    cannot be are a comparison that is broken, of their guardrail alone: harm that the others show
    still counts.
    """
    found = []
    for guardrail in guardrails:
        if guardrail.name not in windows:
            continue
        parts = [(guardrail.whole(), margin_factor)]
        parts += [(part, 1.0) for part in guardrail.by_segment().values()]
        found += [
            _weighed_or_broken(
                part,
                windows.get(part.name, ()),
                budget,
                margin_factor=factor,
                later_steps=later_steps,
                live=live,
            )
            for part, factor in parts
        ]
    return found


def _weighed_or_broken(
    guardrail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    **rules: Any,
) -> Evidence:
    try:
        return weigh(guardrail, windows, budget, **rules)
    except EvidenceError as error:
        return broken(guardrail, windows, error)


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


def _tell(
    common: Evidence, weighed: Weighed, guardrail: Guardrail, margin: float, budget: Budget
) -> Evidence:
    least = budget.min_clusters if weighed.least is None else weighed.least
    enough = weighed.clusters >= least and not weighed.is_flat
    log_e_safe, log_e_better = weighed.log_e_safe(margin), weighed.log_e_safe(0.0)
    detail = f"{weighed.clusters} {weighed.unit} with rows of both models."
    if weighed.is_flat:
        detail = (
            f"All {weighed.clusters} {weighed.unit} show the very same difference, so nothing is "
            "known of chance. Is it the candidate that answers?"
        )
    elif not enough:
        detail = f"{weighed.clusters} of at least {least} {weighed.unit} observed."
    if not enough:
        log_e_safe, log_e_better = min(log_e_safe, 0.0), min(log_e_better, 0.0)
    lower, upper = _interval(weighed, budget)
    return common.model_copy(
        update={
            "status": "ok" if enough else "scarce",
            "effect": weighed.effect,
            "lower": lower,
            "upper": upper,
            "log_e_harm": weighed.log_e_harm(guardrail.rollback_at),
            "log_e_safe": log_e_safe,
            "log_e_better": log_e_better,
            "n": weighed.rows,
            "clusters": weighed.clusters,
            "unit": weighed.unit,
            "method": f"{weighed.method}, statistics {STATISTICS_VERSION}",
            "detail": detail,
        }
    )


def _paired(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    moments = [sum_moments(w.paired for w in day) for day in by_day(windows)]
    moments = [m for m in moments if m.n > 0]
    if not moments:
        return None
    days = summarise_days([m.mean for m in moments], [m.n for m in moments], budget.min_clusters)
    return _days_weighed(guardrail, days, budget, sum(m.n for m in moments), "paired day means")


def _by_unit(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    found = unit_days(guardrail, windows, budget.min_clusters)
    if found is None:
        return None
    return _days_weighed(guardrail, found[0], budget, found[1], "unit means by day and step")


def _days_weighed(
    guardrail: Guardrail, days: Days, budget: Budget, rows: int, method: str
) -> Weighed:
    reach = 20.0 * (math.sqrt(days.m2 / days.weight) + guardrail.margin)
    return Weighed(
        effect=days.mean,
        log_e_harm=lambda r: log_e_above(days, r, guardrail.information, budget.rollback_alpha),
        log_e_safe=lambda m: log_e_below(days, m, guardrail.information, budget.promote_beta),
        lowest=days.mean - reach,
        highest=days.mean + reach,
        rows=rows,
        clusters=days.n,
        method=method,
        is_flat=days.is_flat,
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


def _rates(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
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
        days = log_e_below(split.many, bound, plan, budget.promote_beta)
        return exact + (min(days, 0.0) if split.many.is_flat else days)

    return Weighed(
        effect=split.effect,
        log_e_harm=harm,
        log_e_safe=safe,
        lowest=-0.999,
        highest=0.999,
        rows=split.rows,
        clusters=split.days,
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


def _interval(weighed: Weighed, budget: Budget) -> tuple[float | None, float | None]:
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
