"""A step's guardrails weighed under its rules: what the flow does, and what recomputes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.vocabulary import Evidence, Step, WindowPair
from tasks.evidence import sample_ratio
from tasks.evidence.sequential import weigh_all


def weigh_step(
    policy: ReleasePolicy, step: Step, windows: Mapping[str, Sequence[WindowPair]]
) -> list[Evidence]:
    """Every guardrail that has windows, under the step's margins; then the split, where counted.

    Windows of a step that the policy does not have belong to another plan: they are no evidence.
    """
    rules = policy.rules_for(step)
    factor = rules.margin_factor if isinstance(rules, StageRules) else 1.0
    found = weigh_all(
        policy.guardrails,
        windows,
        policy.budget,
        margin_factor=factor,
        later_steps=policy.steps_after_shadow,
        live=step.weight_bp > 0,
    )
    planned = {each.name for each in policy.steps()}
    found = [_of_the_plan(item, planned) for item in found]
    if sample_ratio.NAME in windows:
        found.append(sample_ratio.sample_ratio(policy, step, windows[sample_ratio.NAME]))
    return found


def _of_the_plan(item: Evidence, planned: Collection[str]) -> Evidence:
    other = sorted({window.step for window in item.windows}.difference(planned))
    if not other:
        return item
    nothing = {"effect": None, "lower": None, "upper": None, "log_e_harm": 0.0, "log_e_safe": 0.0}
    nothing["log_e_better"] = None
    what = f"Windows of {other[0]!r}, which is no step of the policy."
    counts = {"n": 0, "clusters": 0, "unit": "", "method": "", "onset": ""}
    return item.model_copy(update={"status": "invalid", "detail": what, **nothing, **counts})


def due_at(policy: ReleasePolicy, step: Step) -> tuple[Guardrail, ...]:
    """Which guardrails a look at this step must have asked about."""
    return tuple(rail for rail in policy.guardrails if rail.is_due_at(step))
