"""The policies' questions as nodes on the release graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from policies.errors import PolicyError
from policies.loader import LoadedPolicy
from policies.schema import ReleasePolicy
from policies.verdict import judge as judge_evidence
from policies.vocabulary import Evidence, Step, Verdict
from tasks.connections import current
from tasks.gate.choosing import policy_of
from tasks.node import node


@node("choose policy", "which policy rules {model}?")
def choose_policy(model: str, name: str | None) -> LoadedPolicy:
    """The named policy, or the one whose ``applies_to`` names the model."""
    return policy_of(model, name, current().settings.catalog)


@node("watching policy", "which policy watches {model}?")
def watching_policy(model: str, last: str | None) -> ReleasePolicy | None:
    """As it stands today: the one that names the model, else the one of its last release."""
    catalog = current().settings.catalog
    for name in (None, *([last] if last else [])):
        with suppress(PolicyError):
            return policy_of(model, name, catalog).policy
    return None


@node("judge", "judge {step.name}")
def judge(policy: ReleasePolicy, step: Step, evidence: Sequence[Evidence]) -> Verdict:
    return judge_evidence(policy, step, evidence)
