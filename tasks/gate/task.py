"""The policies' questions as nodes on the release graph."""

from __future__ import annotations

from collections.abc import Sequence

from policies.loader import LoadedPolicy
from policies.schema import ReleasePolicy
from policies.verdict import judge as judge_evidence
from policies.vocabulary import Evidence, Step, Verdict
from tasks.connections import current
from tasks.gate.choosing import policy_of, policy_today
from tasks.node import node


@node("choose policy", "which policy rules {model}?")
def choose_policy(model: str, name: str | None) -> LoadedPolicy:
    """The named policy, or the one whose ``applies_to`` names the model."""
    return policy_of(model, name, current().settings.catalog)


@node("watching policy", "which policy watches {model}?")
def watching_policy(model: str, last: str | None) -> ReleasePolicy:
    """As it stands today; a broken catalogue is an error, never the policy of last time."""
    return policy_today(model, last, current().settings.catalog).policy


@node("judge", "judge {step.name}")
def judge(policy: ReleasePolicy, step: Step, evidence: Sequence[Evidence]) -> Verdict:
    return judge_evidence(policy, step, evidence)
