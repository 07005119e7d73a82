"""Where one guardrail or check stands: its numbers, what was needed, what would change it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from policies.schema import ReleasePolicy
from policies.verdict import power
from policies.vocabulary import Evidence, Finding, Judged, ReasonCode, Value, Verdict

GREATEST_LOG = 700.0  # beyond it an e-value is told by its logarithm alone


class EValue(Value):
    """``value`` is absent where no float can hold it; ``needed`` is what it has to reach."""

    log: float
    value: float | None
    needed: float

    @property
    def has(self) -> str:
        return f"{self.value:,.0f}" if self.value and 1e3 <= self.value < 1e7 else power(self.log)

    @property
    def text(self) -> str:
        return f"{self.has} of {self.needed:.4g}"


class Standing(Value):
    """One item of a look, in the units of its metric. Greater effects are worse."""

    name: str
    kind: str
    finding: Finding
    code: ReasonCode
    reason: str
    effect: float | None
    lower: float | None
    upper: float | None
    limit: float | None
    margin: float | None
    rollback_at: float | None
    n: int
    clusters: int
    unit: str
    safe: EValue | None  # for "not worse than margin": it passes at ``needed``
    harm: EValue | None  # for "worse than rollback_at": harm by itself at ``needed``
    better: EValue | None  # for "better than the champion": shown at ``needed``
    would_change: str


def standings(
    policy: ReleasePolicy, evidence: Sequence[Evidence], verdict: Verdict
) -> tuple[Standing, ...]:
    """In the order of the evidence, which is that of what was judged."""
    return tuple(
        standing(policy, item, judged)
        for item, judged in zip(evidence, verdict.judged, strict=True)
    )


def standing(policy: ReleasePolicy, item: Evidence, judged: Judged) -> Standing:
    safe = _e_value(item.log_e_safe, 1.0 / policy.budget.promote_beta)
    better = _e_value(item.log_e_better, 1.0 / policy.budget.promote_beta)
    goal_is_due = judged.code == "not_yet_better"
    alone = policy.budget.rollback_alpha * item.weight
    harm = _e_value(item.log_e_harm, 1.0 / alone) if alone > 0 else None
    return Standing(
        name=item.name,
        kind=item.kind,
        finding=judged.finding,
        code=judged.code,
        reason=judged.reason,
        effect=item.effect,
        lower=item.lower,
        upper=item.upper,
        limit=item.limit,
        margin=item.margin,
        rollback_at=item.rollback_at,
        n=item.n,
        clusters=item.clusters,
        unit=item.unit,
        safe=safe,
        harm=harm,
        better=better,
        would_change=_would_change(item, judged, better if goal_is_due else safe, harm),
    )


def _e_value(log: float | None, needed: float) -> EValue | None:
    if log is None:
        return None
    value = math.exp(log) if log < GREATEST_LOG else None
    return EValue(log=log, value=value, needed=needed)


def _would_change(item: Evidence, judged: Judged, safe: EValue | None, harm: EValue | None) -> str:
    if judged.code in ("source_down", "comparison_broken", "nothing_to_judge"):
        return "It has to be measured; the reason tells what keeps it from that."
    if item.kind == "check":
        return _check_would_change(item, judged)
    if judged.code == "harm_proven":
        return "Nothing: harm is proven, and a rollback is final."
    ends = f"Harm by itself needs {harm.needed:.4g}, has {harm.has}." if harm else ""
    if judged.code == "reported_only":
        return f"PASS does not wait for it. {ends}".strip()
    if judged.code == "too_little_data" or safe is None:
        return f"More {item.unit or 'days'}. {ends}".strip()
    aim = "be shown better" if judged.code == "not_yet_better" else "be safe"
    aim = "stay safe" if judged.code == "within_margin" else aim
    has = f"needs e-value {safe.needed:.4g}, has {safe.has}."
    return f"To {aim} it {has} {ends}".strip()


def _check_would_change(item: Evidence, judged: Judged) -> str:
    if judged.code == "reported_only":
        return "PASS does not wait for it."
    if item.limit is None or judged.code == "too_little_data":
        return "More rows or days."
    if judged.code == "check_holds":
        return f"Fails above {item.limit:g}."
    return f"Holds at {item.limit:g} or less."
