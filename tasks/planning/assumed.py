"""What a plan assumes about traffic, rates and days, and how it came to assume it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from policies.errors import PolicyError
from policies.schedule import schedule
from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import FULL_WEIGHT_BP
from tasks.evidence.windows import is_rate

MEANS = ("paired_mean", "mean", "randomised_mean")
CAN_GAIN = (*MEANS, "ratio")
GAP = " gap"  # after a guardrail's name: how much the gap of one of its groups spreads
HOURS = 24.0
SHARED = 0.5  # of a day's variance its groups have in common: .42 to .52 between three airports
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)  # simulated days are counted from here
MOST_PER_HOUR = 1e8  # 2.4 billion requests a day


@dataclass(frozen=True)
class Assumed:
    """By the guardrail's name: ``base_rates``, the champion's share of faults; ``spreads``, the
    standard deviation of a day's mean difference; ``user_spreads``, that of a user's value;
    ``sound``, how many margins worse the candidate is whose promotion is wanted: none, or less.
    """

    per_hour: float
    users_per_hour: float  # who are answered for the first time at a step
    base_rates: Mapping[str, float]
    rates_given: frozenset[str]  # of the others, half of what is allowed between releases
    spreads: Mapping[str, float]
    spreads_given: frozenset[str]  # of the others, what information was guessed from
    user_spreads: Mapping[str, float]
    planned_days: float  # from the shadow to the end, at the earliest
    compared_days: float  # of them, those in which users are split
    sound: Mapping[str, float]
    left_out: tuple[str, ...]  # guardrails that are taken to be safe

    @property
    def per_day(self) -> float:
        return self.per_hour * HOURS

    def of_group(self, rail: Guardrail) -> Assumed:
        """What one of a guardrail's groups is like: they are of one size, and share their days."""
        parts = rail.by_segment()
        spread = self.spreads[rail.name] * wider(len(parts))
        return replace(
            self,
            per_hour=self.per_hour / len(parts),
            spreads={part.name: spread for part in parts.values()},
        )

    def of_gap(self, rail: Guardrail) -> Assumed:
        """What the gap of one of its groups is like: of as many, and the others are one more."""
        parts = rail.by_gap()
        spread = self.spreads[rail.name + GAP]
        return replace(
            self,
            per_hour=self.per_hour / (len(parts) + 1),
            spreads={part.name: spread for part in parts.values()},
        )

    def at(self, per_hour: float) -> Assumed:
        """The same with another traffic; what days differ by does not depend on it."""
        users = self.users_per_hour * per_hour / self.per_hour
        return replace(self, per_hour=per_hour, users_per_hour=users)

    def better(self, rail: Guardrail, gain: float) -> Assumed:
        """The same with a wanted candidate that is better by as much, in the metric's unit."""
        return replace(self, sound={rail.name: -gain / rail.margin})


def wider(groups: int) -> float:
    """How much more a day's mean spreads in one of as many groups than in all of them."""
    return 1.0 / math.sqrt(SHARED + (1.0 - SHARED) / max(groups, 1))


@dataclass(frozen=True)
class Given:
    """What somebody says of a model. By guardrail; under ``""`` for all that are not named, but
    for users without a value, whose share has nothing to do with that of faults.

    ``gain``: how much better the wanted candidate is, in the unit of the goal.
    """

    per_hour: float
    base_rates: Mapping[str, float] = field(default_factory=dict)
    day_spreads: Mapping[str, float] = field(default_factory=dict)
    user_spreads: Mapping[str, float] = field(default_factory=dict)
    users_per_hour: float | None = None
    gain: float = 0.0


def assume(policy: ReleasePolicy, given: Given) -> Assumed:
    """``PolicyError`` names everything that keeps the policy from being planned."""
    left_out = tuple(r.name for r in policy.guardrails if not _can_be_drawn(r, given))
    rails = [rail for rail in policy.guardrails if rail.name not in left_out]
    rates = {rail.name: _base_rate(rail, given.base_rates) for rail in rails if is_rate(rail)}
    faults = [*_unknown(policy, given), *_numbers(given)]
    faults += [f"{name}: its base rate is not known." for name, r in rates.items() if r is None]
    known = {name: rate for name, rate in rates.items() if rate is not None}
    faults += [fault for rail in rails if rail.name in known
               for fault in _too_high(rail, known[rail.name])]  # fmt: skip
    shadow = policy.steps()[1]
    if not any(rail.is_due_at(shadow) for rail in rails):
        faults.append("no guardrail is asked about in the shadow, so there is nothing to draw.")
    goal = gains_in(policy)
    if given.gain and goal is None:
        faults.append("no guardrail is a mean that could become better, so there is no gain.")
    if given.gain and goal is not None and goal.name in left_out:
        faults.append(f"{goal.name}: it should become better, and is not simulated; "
                      f"{wanted_of(goal)}.")  # fmt: skip
    if faults:
        raise PolicyError(
            f"{policy.policy} cannot be planned like this:", faults=tuple(faults),
            advice=_advice(policy, faults),
        )  # fmt: skip
    days, compared = planned_days(policy), compared_days(policy)
    spreads = {name: value for rail in rails for name, value in
               _spreads(rail, days, compared, given.day_spreads)}  # fmt: skip
    users = {r.name: _named(r, given.user_spreads) or 0.0 for r in rails if r.unit == "user"}
    everywhere = given.per_hour if given.users_per_hour is None else given.users_per_hour
    return Assumed(
        per_hour=given.per_hour,
        users_per_hour=everywhere,
        base_rates=known,
        rates_given=frozenset(n for n in known if {n, ""} & set(given.base_rates)),
        spreads=spreads,
        spreads_given=frozenset(
            n
            for n in spreads
            if n in given.day_spreads or ("" in given.day_spreads and not n.endswith(GAP))
        ),
        user_spreads=users,
        planned_days=days,
        compared_days=compared,
        sound={goal.name: -given.gain / goal.margin} if goal and given.gain else {},
        left_out=left_out,
    )


def simulated(policy: ReleasePolicy, assumed: Assumed) -> ReleasePolicy:
    """The policy without what is taken to be safe: its weight then finds nothing, as in a verdict.

    A goal is asked for only where the candidate is said to be better: else it is never met.
    """
    rails = tuple(rail for rail in policy.guardrails if rail.name not in assumed.left_out)
    goal = policy.goal if assumed.sound else None
    return policy.model_copy(update={"guardrails": rails, "goal": goal})


def gains_in(policy: ReleasePolicy) -> Guardrail | None:
    """The goal's guardrail; without a goal the first one that is a mean, or a ratio of means."""
    means = [rail for rail in policy.guardrails if rail.kind in CAN_GAIN]
    goal = policy.goal.guardrail if policy.goal else None
    return next((rail for rail in means if goal in (None, rail.name)), None)


def _can_be_drawn(rail: Guardrail, given: Given) -> bool:
    """How users differ, and how many say nothing, is known to nobody but who plans."""
    if rail.metric == "missing":
        return rail.name in given.base_rates
    return rail.unit != "user" or _named(rail, given.user_spreads) is not None


def wanted_of(rail: Guardrail) -> str:
    """What to say, so that a guardrail that was left out is simulated."""
    if rail.metric == "missing":
        return f'say how many users have no value: --base-rate "{rail.name}=…"'
    return f'say how users differ: --user-spread "{rail.name}=…"'


def _named(rail: Guardrail, told: Mapping[str, float]) -> float | None:
    return told.get(rail.name, told.get(""))


def _base_rate(rail: Guardrail, told: Mapping[str, float]) -> float | None:
    if rail.kind == "quantile":
        return 1.0 - (rail.quantile or 0.0)  # by its definition
    rate = _named(rail, told)
    return rail.at_most / 2.0 if rate is None and rail.at_most is not None else rate


def _spreads(
    rail: Guardrail, days: float, compared: float, told: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """Of the guardrail and of its gaps: such that they have their information at the end."""
    if not _is_by_day(rail):
        return
    given = _named(rail, told)
    drawn = days if rail.kind == "paired_mean" else compared
    yield rail.name, math.sqrt(drawn / rail.information) if given is None else given
    if rail.gap is not None:
        between = told.get(rail.name + GAP)
        drawn = math.sqrt(days / rail.gap.information)
        yield rail.name + GAP, drawn if between is None else between


def _is_by_day(rail: Guardrail) -> bool:
    return rail.kind in MEANS and rail.unit == "day"


def _names_by_day(rail: Guardrail) -> list[str]:
    """Under which names its spreads are given."""
    return [rail.name] if rail.gap is None else [rail.name, rail.name + GAP]


def planned_days(policy: ReleasePolicy) -> float:
    """From the first mirrored request to the end, when every look passes."""
    steps = schedule(policy, MONDAY)
    return (steps[-1].passes - steps[1].opens) / timedelta(days=1)


def compared_days(policy: ReleasePolicy) -> float:
    """From the canary until everybody is answered by the candidate."""
    steps = schedule(policy, MONDAY)
    full = next(each for each in steps if each.step.weight_bp == FULL_WEIGHT_BP)
    return (full.opens - steps[2].opens) / timedelta(days=1)


def _numbers(given: Given) -> list[str]:
    faults = []
    for what, per_hour in (("requests", given.per_hour), ("users", given.users_per_hour)):
        if per_hour is not None and not 0.0 < per_hour <= MOST_PER_HOUR:
            faults.append(f"traffic is {per_hour:g} {what} an hour; it must be above 0, to 1e8.")
    for name, rate in given.base_rates.items():
        if not 0.0 < rate < 1.0:
            faults.append(f"base rate{' of ' if name else ''}{name} is {rate:g}; "
                          "it must be above 0 and below 1.")  # fmt: skip
    for what, told in (("days", given.day_spreads), ("users", given.user_spreads)):
        for name, spread in told.items():
            if not (spread > 0.0 and math.isfinite(spread)):
                faults.append(f"the spread between {what}{' of ' if name else ''}{name} is "
                              f"{spread:g}; it must be above 0.")  # fmt: skip
    if not 0.0 <= given.gain < math.inf:
        faults.append(f"the gain is {given.gain:g}; it must be above 0.")
    return faults


def _unknown(policy: ReleasePolicy, given: Given) -> Iterator[str]:
    """A name that no guardrail has, or that of a guardrail of another kind."""
    rails = policy.guardrails
    shares = [rail.name for rail in rails if rail.kind == "proportion"]
    days = [name for rail in rails if _is_by_day(rail) for name in _names_by_day(rail)]
    users = [rail.name for rail in rails if rail.unit == "user"]
    for what, told, known in (
        ("of shares", given.base_rates, shares),
        ("by days", given.day_spreads, days),
        ("by users", given.user_spreads, users),
    ):
        for name in told:
            if name and name not in known:
                yield (f"{name}: no guardrail {what} has this name; there are: "
                       f"{', '.join(known) or 'none'}.")  # fmt: skip


def _too_high(rail: Guardrail, rate: float) -> list[str]:
    margin = rail.margin * rate if rail.relative else rail.margin
    if rate + margin < 1.0:
        return []
    return [f"{rail.name}: a base rate of {rate:g} and its margin leave nothing that could fail."]


def _advice(policy: ReleasePolicy, faults: list[str]) -> str:
    unknown = [f.split(":")[0] for f in faults if f.endswith("base rate is not known.")]
    if unknown:
        example = " ".join(f'--base-rate "{name}=0.01"' for name in unknown)
        return f"Say how often the champion does it today, for instance {example}"
    return f"Read `seatrial policy explain {policy.policy}`, then give --traffic and --base-rate."
