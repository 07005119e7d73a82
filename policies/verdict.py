"""What follows from the evidence at one step.

The rules, in the order in which they are asked:

1. Roll back first. A failed staging check, or harm proven beyond ``rollback_at`` within the
   release's budget, ends it before any minimum sample, bake time or approval is looked at.
   Harm of several guardrails is the weighted average of their e-values: an average of
   e-processes is one, whatever their dependence (Vovk & Wang 2021), so the whole release
   keeps one false-rollback rate.
2. A comparison that is broken, or a source that is down, holds.
3. PASS needs every guardrail shown to be not worse than its margin (an intersection-union
   test needs no split of beta: Berger 1982), and at least one guardrail judged.
   What the policy only reports is not waited for; harm shown there rolls back all the same.
4. Everything else holds: there is not enough evidence.

A goal is the guardrail that should improve. Where the policy asks for proof of it, the soak
passes only with that proof: the release then ends at its deadline without one. It can never
make a release pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from policies.schema import ReleasePolicy
from policies.vocabulary import (
    Decision,
    Evidence,
    Finding,
    Judged,
    ReasonCode,
    Stage,
    Step,
    Verdict,
)

_Ruled = tuple[Finding, ReasonCode, str]

REPORTED = "It is reported, and not waited for."
_WORST_FIRST = (
    Finding.HARMFUL,
    Finding.INVALID,
    Finding.SOURCE_DOWN,
    Finding.NOT_ENOUGH_EVIDENCE,
    Finding.SAFE,
)


def judge(policy: ReleasePolicy, step: Step, evidence: Sequence[Evidence]) -> Verdict:
    """Judge one look. No evidence at all is "not enough evidence", never a pass."""
    total = harm_of_all(evidence)
    threshold = -math.log(policy.budget.rollback_alpha)
    judged = tuple(_judge_one(policy, step, item) for item in evidence)
    if total is not None and total >= threshold:
        worst = max(_sequential(evidence), key=lambda item: item.log_e_harm or -math.inf)
        return Verdict(
            decision=Decision.ROLL_BACK,
            finding=Finding.HARMFUL,
            reason=f"{worst.name} is worse than {worst.rollback_at:g} allows: "
            f"{_effect(worst)}; harm e-value {power(total)} of "
            f"{1 / policy.budget.rollback_alpha:g} needed.",
            judged=judged,
            log_e_harm_total=total,
        )
    counted = [
        each
        for item, each in zip(evidence, judged, strict=True)
        if item.required or each.finding is Finding.HARMFUL
    ]
    finding = worst_of(counted)
    blocking = next((item for item in counted if item.finding is finding), None)
    reason = blocking.reason if blocking else "Nothing has been measured yet."
    decision = Decision.HOLD
    if finding is Finding.HARMFUL:
        decision = Decision.ROLL_BACK
    elif finding is Finding.SAFE:
        decision = Decision.PASS
        reason = _all_safe(evidence)
    return Verdict(
        decision=decision, finding=finding, reason=reason, judged=judged, log_e_harm_total=total
    )


def harm_of_all(evidence: Sequence[Evidence]) -> float | None:
    """Log of the weighted average of the harm e-values; ``None`` without sequential evidence.

    Weight of guardrails that were not measured counts as an e-value of one: leaving one out
    can never make a rollback more likely.
    """
    items = _sequential(evidence)
    if not items:
        return None
    rest = max(0.0, 1.0 - sum(item.weight for item in items))
    terms = [math.log(item.weight) + (item.log_e_harm or 0.0) for item in items if item.weight > 0]
    if rest > 0:
        terms.append(math.log(rest))
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))


def worst_of(judged: Sequence[Judged]) -> Finding:
    """The worst finding; nothing judged is not enough evidence."""
    found = {item.finding for item in judged}
    return next((item for item in _WORST_FIRST if item in found), Finding.NOT_ENOUGH_EVIDENCE)


def _judge_one(policy: ReleasePolicy, step: Step, item: Evidence) -> Judged:
    if item.kind == "check":
        finding, code, reason = _check(item)
    else:
        finding, code, reason = _guardrail(policy, item)
        if policy.goal is not None and policy.goal.guardrail == item.name:
            finding, code, reason = _goal(policy, step, item, (finding, code, reason))
    if not item.required and finding not in (Finding.HARMFUL, Finding.SAFE):
        code, reason = "reported_only", f"{reason} {REPORTED}"
    return Judged(name=item.name, finding=finding, reason=reason, code=code)


def _status(item: Evidence) -> _Ruled | None:
    told: dict[str, tuple[Finding, ReasonCode, str]] = {
        "down": (Finding.SOURCE_DOWN, "source_down", "the source did not answer"),
        "invalid": (Finding.INVALID, "comparison_broken", "the comparison is broken"),
        "scarce": (Finding.NOT_ENOUGH_EVIDENCE, "too_little_data", "too little to say"),
    }
    found = told.get(item.status)
    return None if found is None else _ruled(*found[:2], f"{item.name}: {found[2]}.", item)


def _ruled(finding: Finding, code: ReasonCode, reason: str, item: Evidence) -> _Ruled:
    return finding, code, f"{reason} {item.detail}".strip()


def _check(item: Evidence) -> _Ruled:
    if (status := _status(item)) is not None:
        return status
    value, limit = _number(item.effect), _number(item.limit)
    if value is None or limit is None:
        reason = f"{item.name}: nothing to compare."
        return _ruled(Finding.INVALID, "nothing_to_judge", reason, item)
    told = f"{value:.4g} {item.unit} against at most {limit:g}".replace("  ", " ")
    if value > limit:
        return _ruled(Finding.HARMFUL, "check_failed", f"{item.name} failed: {told}.", item)
    return Finding.SAFE, "check_holds", f"{item.name} holds: {told}."


def _guardrail(policy: ReleasePolicy, item: Evidence) -> _Ruled:
    harm, safe, margin = map(_number, (item.log_e_harm, item.log_e_safe, item.margin))
    if harm is not None and item.weight > 0:
        alone = math.log(item.weight) + harm
        if alone >= -math.log(policy.budget.rollback_alpha):
            return Finding.HARMFUL, "harm_proven", f"{item.name} is harmful: {_effect(item)}."
    if (status := _status(item)) is not None:
        return status
    if harm is None or safe is None or margin is None:
        reason = f"{item.name}: no evidence value was computed."
        return _ruled(Finding.INVALID, "nothing_to_judge", reason, item)
    if safe >= -math.log(policy.budget.promote_beta):
        reason = f"{item.name} is not worse than {margin:g}: {_effect(item)}."
        return Finding.SAFE, "within_margin", reason
    return (
        Finding.NOT_ENOUGH_EVIDENCE,
        "not_yet_within_margin",
        f"{item.name}: not yet shown to be within {margin:g}: {_effect(item)}, "
        f"e-value {power(safe)} of {1 / policy.budget.promote_beta:g} needed.",
    )


def _goal(policy: ReleasePolicy, step: Step, item: Evidence, ruled: _Ruled) -> _Ruled:
    """What is safe must also be shown to be better, where the policy asks for it: in the soak."""
    finding, code, reason = ruled
    if finding is not Finding.SAFE or policy.goal is None:
        return ruled
    needed = -math.log(policy.budget.promote_beta)
    better = _number(item.log_e_better)
    if better is not None and better >= needed:
        return finding, code, f"{reason} It is shown to be better than the champion."
    has = "none" if better is None else power(better)
    told = f"{reason} Better than the champion is not shown: e-value {has} of {math.exp(needed):g}"
    if policy.goal.required and step.stage is Stage.SOAK:
        return Finding.NOT_ENOUGH_EVIDENCE, "not_yet_better", f"{told}, and the policy asks for it."
    return finding, code, f"{told}."


def _sequential(evidence: Sequence[Evidence]) -> list[Evidence]:
    return [
        item
        for item in evidence
        if item.kind == "sequential" and _number(item.log_e_harm) is not None
    ]


def _number(value: float | None) -> float | None:
    """NaN and infinities compare as they like, so they are no numbers here."""
    return value if value is not None and math.isfinite(value) else None


def _effect(item: Evidence) -> str:
    if item.effect is None:
        return "effect unknown"
    text = f"effect {item.effect:+.4f}"
    if item.lower is not None and item.upper is not None:
        text += f" ({item.lower:+.4f} to {item.upper:+.4f})"
    text += f", {item.n} rows in {item.clusters} {item.unit or 'windows'}"
    return f"{text}; {item.onset}" if item.onset else text


def power(log_value: float) -> str:
    """An e-value as people read it, from its logarithm: one beyond any float keeps its size."""
    return f"{math.exp(log_value):.3g}" if log_value < 700 else f"10^{log_value / math.log(10):.0f}"


def _all_safe(evidence: Sequence[Evidence]) -> str:
    required = [item for item in evidence if item.required]
    guardrails = [item for item in required if item.kind == "sequential"]
    checks = len(required) - len(guardrails)
    parts = [f"{item.name} {_effect(item)}" for item in guardrails]
    if checks:
        parts.append(f"{checks} checks hold")
    told = "Every guardrail is within its margin: " + "; ".join(parts) + "."
    reported = ", ".join(item.name for item in evidence if not item.required)
    return f"{told} Reported, and not waited for: {reported}." if reported else told
