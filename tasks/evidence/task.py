"""The statistics' nodes on the release graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.schema import ReleasePolicy, StageRules
from policies.vocabulary import Evidence, Step, WindowPair
from tasks.evidence.sequential import weigh_all
from tasks.node import node


@node("weigh", "weigh {step.name}")
def weigh(
    policy: ReleasePolicy, step: Step, windows: Mapping[str, Sequence[WindowPair]]
) -> list[Evidence]:
    """Every guardrail that has a place at this step, under the step's margins."""
    rules = policy.rules_for(step)
    factor = rules.margin_factor if isinstance(rules, StageRules) else 1.0
    return weigh_all(policy.guardrails, windows, policy.budget, margin_factor=factor)
