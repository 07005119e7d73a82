"""What a plan assumes about traffic, rates and days, and how it came to assume it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from policies.errors import PolicyError
from policies.schedule import schedule
from policies.schema import Guardrail, ReleasePolicy

HOURS = 24.0
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)  # simulated days are counted from here
MOST_PER_HOUR = 1e8  # 2.4 billion requests a day


@dataclass(frozen=True)
class Assumed:
    """``base_rates``: the champion's share of faults. ``spreads``: standard deviation of a day's
    mean difference. Both by the guardrail's name."""

    per_hour: float
    base_rates: Mapping[str, float]
    rates_given: frozenset[str]  # of the others, half of what is allowed between releases
    spreads: Mapping[str, float]
    spread_given: bool
    planned_days: float  # from the shadow to the end, at the earliest

    @property
    def per_day(self) -> float:
        return self.per_hour * HOURS

    def of_group(self, rail: Guardrail) -> Assumed:
        """What one of a guardrail's groups is like: they are of one size, and independent."""
        parts = rail.by_segment()
        spread = self.spreads[rail.name] * math.sqrt(len(parts))
        return replace(
            self,
            per_hour=self.per_hour / len(parts),
            spreads={part.name: spread for part in parts.values()},
        )

    def at(self, per_hour: float) -> Assumed:
        """The same with another traffic; what days differ by does not depend on it."""
        return replace(self, per_hour=per_hour)


def assume(
    policy: ReleasePolicy,
    per_hour: float,
    base_rates: Mapping[str, float],
    day_spread: float | None = None,
) -> Assumed:
    """``base_rates``: by guardrail, under ``""`` for all that are not named.

    ``PolicyError`` names everything that keeps the policy from being planned.
    """
    faults = [*_unknown(policy, base_rates), *_numbers(per_hour, base_rates, day_spread)]
    rates: dict[str, float] = {}
    for rail in policy.guardrails:
        if rail.kind in ("mean", "randomised_mean"):
            faults.append(
                f"{rail.name}: how users differ is known to nobody but you, "
                f"so kind {rail.kind} is not simulated."
            )
        if rail.kind == "quantile":
            rates[rail.name] = 1.0 - (rail.quantile or 0.0)  # by its definition
        if rail.kind == "proportion":
            rate = base_rates.get(rail.name, base_rates.get(""))
            if rate is None and rail.at_most is not None:
                rate = rail.at_most / 2.0
            if rate is None:
                faults.append(f"{rail.name}: its base rate is not known.")
            else:
                rates[rail.name] = rate
                faults += _too_high(rail, rate)
    if not any(rail.is_due_at(policy.steps()[1]) for rail in policy.guardrails):
        faults.append("no guardrail is asked about in the shadow, so there is nothing to draw.")
    if faults:
        raise PolicyError(
            f"{policy.policy} cannot be planned like this:", faults=tuple(faults),
            advice=_advice(policy, faults),
        )  # fmt: skip
    days = planned_days(policy)
    spreads = {
        rail.name: math.sqrt(days / rail.information) if day_spread is None else day_spread
        for rail in policy.guardrails
        if rail.kind == "paired_mean"
    }
    given = frozenset(rates if "" in base_rates else base_rates)
    return Assumed(per_hour, rates, given, spreads, day_spread is not None, days)


def planned_days(policy: ReleasePolicy) -> float:
    """From the first mirrored request to the end, when every look passes."""
    steps = schedule(policy, MONDAY)
    return (steps[-1].passes - steps[1].opens) / timedelta(days=1)


def _numbers(
    per_hour: float, base_rates: Mapping[str, float], day_spread: float | None
) -> list[str]:
    faults = []
    if not 0.0 < per_hour <= MOST_PER_HOUR:
        faults.append(f"traffic is {per_hour:g} requests an hour; it must be above 0, to 1e8.")
    for name, rate in base_rates.items():
        if not 0.0 < rate < 1.0:
            faults.append(f"base rate{' of ' if name else ''}{name} is {rate:g}; "
                          "it must be above 0 and below 1.")  # fmt: skip
    if day_spread is not None and not (day_spread > 0.0 and math.isfinite(day_spread)):
        faults.append(f"the spread between days is {day_spread:g}; it must be above 0.")
    return faults


def _unknown(policy: ReleasePolicy, base_rates: Mapping[str, float]) -> list[str]:
    known = [rail.name for rail in policy.guardrails if rail.kind == "proportion"]
    return [
        f"{name}: no guardrail of shares has this name; there are: {', '.join(known) or 'none'}."
        for name in base_rates
        if name and name not in known
    ]


def _too_high(rail: Guardrail, rate: float) -> list[str]:
    margin = rail.margin * rate if rail.relative else rail.margin
    if rate + margin < 1.0:
        return []
    return [f"{rail.name}: a base rate of {rate:g} and its margin leave nothing that could fail."]


def _advice(policy: ReleasePolicy, faults: list[str]) -> str:
    if any("is not simulated" in fault for fault in faults):
        return "Plan a copy of the policy without such guardrails; the others decide on their own."
    unknown = [f.split(":")[0] for f in faults if f.endswith("base rate is not known.")]
    if unknown:
        example = " ".join(f'--base-rate "{name}=0.01"' for name in unknown)
        return f"Say how often the champion does it today, for instance {example}"
    return f"Read `seatrial policy explain {policy.policy}`, then give --traffic and --base-rate."
