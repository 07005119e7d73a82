"""The statistics' nodes on the release graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.schema import ReleasePolicy
from policies.vocabulary import Evidence, Step, WindowPair
from tasks.evidence.step import weigh_step
from tasks.node import node


@node("weigh", "weigh {step.name}")
def weigh(
    policy: ReleasePolicy, step: Step, windows: Mapping[str, Sequence[WindowPair]]
) -> list[Evidence]:
    """Every guardrail that has a place at this step, under the step's margins."""
    return weigh_step(policy, step, windows)
