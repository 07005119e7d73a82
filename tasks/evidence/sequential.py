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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, Evidence, Stage, WindowPair
from tasks.evidence.by_days import HALVINGS, Asked, Only, days_weighed, weigh_days
from tasks.evidence.count_mixture import CountWindow, log_e_count_above, log_e_count_below
from tasks.evidence.day_mixture import log_e_above, log_e_below, log_mean_exp, summarise_days
from tasks.evidence.day_sums import Days
from tasks.evidence.gap import as_declared, gap_days
from tasks.evidence.onset import mixed, since_each_step
from tasks.evidence.ratios import by_ratio
from tasks.evidence.requests import by_request
from tasks.evidence.running import Running, is_day_mean
from tasks.evidence.summary import NO_COUNTS, merge_counts
from tasks.evidence.telling import STATISTICS_VERSION as STATISTICS_VERSION
from tasks.evidence.telling import (
    TOO_LARGE,
    Numbers,
    broken,
    nothing_yet,
    on_record,
    refuse_endless,
    tell,
)
from tasks.evidence.users import by_user
from tasks.evidence.weighed import Weighed
from tasks.evidence.windows import both, by_day, check_plan, is_rate, is_ratio, tidy

MIRRORED_STEP = Stage.SHADOW.value  # where no user meets the candidate
MANY_EVENTS = 20  # in either arm, before normal theory may weigh a rate
GREATEST_RATE_MARGIN = 0.99  # a looser stage margin than this would ask nothing


def weigh(
    guardrail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    *,
    margin_factor: float = 1.0,
    later_steps: int = 0,
    live: bool = False,
    only: Only = None,
) -> Evidence:
    """Weigh all windows of a release for one guardrail, in any order.

    ``later_steps``: how many steps follow the first one with windows; harm that begins with one
    of them is then seen without the days before it (see ``onset``).
    ``live``: users meet the candidate at this step. Failures that only the mirror showed are
    then harm as before, and nothing that speaks for safety: that takes answers users waited for.
    ``only``: one of the two questions, for whoever asks it some ten thousand times: the e-value
    is the same, the other one is that of no evidence, and there is no interval.

    Windows of one day and step are added together; rows, days and steps may arrive in any
    order. ``EvidenceError`` for windows that cannot be: negative, NaN, more events than rows,
    delivered twice, the wrong kind, or days that overlap; and for bounds of the wrong sign. No
    windows are scarce evidence, never good evidence.
    """
    check_plan(guardrail, margin_factor)
    try:
        if is_day_mean(guardrail):
            running = Running.of(guardrail, windows)
            asked = Asked(running, guardrail.margin * margin_factor)
            (told,) = weigh_days([asked], budget, later_steps=later_steps, only=only)
            told = on_record(told, running.windows)
        else:
            told = _weigh(
                guardrail, windows, budget, margin_factor, later_steps, live=live, only=only
            )
    except (ArithmeticError, ValueError) as error:
        raise EvidenceError(f"{guardrail.name}: {TOO_LARGE}") from error
    return refuse_endless(told)


def _weigh(
    guardrail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    margin_factor: float,
    later_steps: int,
    *,
    live: bool,
    only: Only,
) -> Evidence:
    ordered = tidy(guardrail, windows)
    margin = guardrail.margin * margin_factor
    if is_rate(guardrail) and not guardrail.relative:
        margin = min(margin, GREATEST_RATE_MARGIN)
    speaking = ordered
    if live and guardrail.is_seen_when_mirrored and only != "harm":
        speaking = tuple(w for w in ordered if w.step != MIRRORED_STEP)
    weighed = _weighed(guardrail, speaking, budget)
    told = on_record(nothing_yet(guardrail, margin), ordered)
    if weighed is not None:
        told = tell(told, weighed, _numbers(guardrail, weighed, margin, budget, only), budget)
    if only == "safe":
        return told
    if speaking is not ordered:
        whole = _weighed(guardrail, ordered, budget)
        harm = whole.log_e_harm(guardrail.rollback_at) if whole is not None else 0.0
        told = told.model_copy(update={"log_e_harm": harm})
    if not (later_steps and ordered):
        return told
    return _with_onset(told, guardrail, budget, later_steps)


def _weighed(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    if is_ratio(guardrail):
        return by_ratio(guardrail, windows, budget)
    if guardrail.gap is not None:
        return _gap(guardrail, windows, budget)
    if is_day_mean(guardrail):
        fold = Running.of(guardrail, windows).folds[0]
        days = fold.sums.summary(budget.min_clusters)
        return days_weighed(guardrail, days, budget, fold.rows) if days.n else None
    if guardrail.unit == "user":
        return by_user(guardrail, windows, budget)
    if guardrail.unit == "request":
        return by_request(guardrail, windows, budget)
    return _rates(guardrail, windows, budget)


def _gap(guardrail: Guardrail, windows: Sequence[WindowPair], budget: Budget) -> Weighed | None:
    found = gap_days(windows, budget.min_clusters)
    if found is None:
        return None
    return days_weighed(guardrail, found[0], budget, found[1], "gap between day means")


def _numbers(
    guardrail: Guardrail, weighed: Weighed, margin: float, budget: Budget, only: Only
) -> Numbers:
    lower, upper = _interval(weighed, budget) if only is None else (None, None)
    return Numbers(
        lower,
        upper,
        log_e_harm=0.0 if only == "safe" else weighed.log_e_harm(guardrail.rollback_at),
        log_e_safe=0.0 if only == "harm" else weighed.log_e_safe(margin),
        log_e_better=0.0 if only == "harm" else weighed.log_e_safe(0.0),
    )


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
    only: Only = None,
) -> list[Evidence]:
    """Every guardrail that has windows, each of its groups by itself, and their gaps.

    A stage widens the margin of the whole; that of a group stays as it is declared. Windows that
    cannot be are a comparison that is broken, of their guardrail alone: harm that the others show
    still counts.
    """
    kept, found = weigh_further(
        {}, guardrails, windows, budget,
        margin_factor=margin_factor, later_steps=later_steps, live=live, only=only,
    )  # fmt: skip
    return [
        on_record(item, kept[item.name].windows) if kept[item.name].folds else item
        for item in found
    ]


def weigh_further(
    before: Mapping[str, Running],
    guardrails: Sequence[Guardrail],
    new: Mapping[str, Sequence[WindowPair]],
    budget: Budget,
    *,
    margin_factor: float = 1.0,
    later_steps: int = 0,
    live: bool = False,
    only: Only = None,
) -> tuple[dict[str, Running], list[Evidence]]:
    """As ``weigh_all``, of the windows that the look before left and those that are ``new``.

    Guardrails weighed by day means cost their new windows only; of all others, and of those whose
    windows are broken, everything is weighed again. What is returned first is for the next look;
    it holds the windows, and the evidence of day means leaves them out.
    """
    kept: dict[str, Running] = {}
    found: dict[str, Evidence] = {}
    asked: list[Asked] = []
    for part, factor in _parts(guardrails, new.keys() | before.keys(), margin_factor):
        running = before.get(part.name) or Running(part)
        arrived = new.get(part.name, ())
        try:
            check_plan(part, factor)
            if is_day_mean(part):
                running = running.further(arrived)
                asked.append(Asked(running, part.margin * factor))
            else:
                running = running.unfolded(arrived)
                told = weigh(
                    part,
                    running.windows,
                    budget,
                    margin_factor=factor,
                    later_steps=later_steps,
                    live=live,
                    only=only,
                )
                found[part.name] = as_declared(part, told)
        except EvidenceError as error:
            running = running.unfolded(arrived)
            found[part.name] = broken(part, running.windows, error)
        kept[part.name] = running
    weighed = weigh_days(asked, budget, later_steps=later_steps, only=only)
    for each, told in zip(asked, weighed, strict=True):
        try:
            found[told.name] = refuse_endless(told)
        except EvidenceError as error:
            found[told.name] = broken(each.running.guardrail, each.running.windows, error)
    return kept, [found[name] for name in kept]


def _parts(
    guardrails: Sequence[Guardrail], named: Collection[str], margin_factor: float
) -> Iterator[tuple[Guardrail, float]]:
    for guardrail in guardrails:
        if guardrail.name in named:
            yield guardrail.whole(), margin_factor
            yield from ((part, 1.0) for part in guardrail.by_segment().values())
            yield from ((part, 1.0) for part in guardrail.by_gap().values())


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
        days = float(log_e_below(split.many, bound, plan, budget.promote_beta))
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
