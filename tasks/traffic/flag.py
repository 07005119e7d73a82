"""A traffic plan as a flag of flagd's schema, and back, exactly.

The flag's key is the model. What a flag cannot express in flagd's own words (weight of a
killed release, mirroring, the release it belongs to) stands in ``metadata``, where flagd
allows texts, numbers and booleans only: what is not known is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.vocabulary import (
    FULL_WEIGHT_BP,
    USUAL_FALLBACK,
    Audience,
    Breaker,
    ModelRef,
    TrafficPlan,
    TrafficVariant,
    Value,
)
from tasks.traffic.audience import has_zone, rule_of

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
RULE = "rule"  # version and digest of the declared baseline rule
BUCKET_KEY = {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}
_BREAKER = "breaker_"  # before the names of its rules in the metadata
_VERSIONS = ("champion", "candidate", "previous")

Flag = dict[str, Any]


class Kill(Value):
    """The model is out of service: ``to`` answers until somebody restores it."""

    to: str
    reason: str
    actor: str


def flag_of(plan: TrafficPlan, kill: Kill | None = None) -> Flag:
    """The flag that holds ``plan``. While killed it sends everybody to ``kill.to``."""
    return {
        "state": "ENABLED",
        "variants": _variants(plan, kill),
        "defaultVariant": "champion" if kill is None else kill.to,
        "targeting": _targeting(plan) if kill is None else {},
        "metadata": _metadata(plan, kill),
    }


def plan_of(model: str, flag: Mapping[str, Any]) -> TrafficPlan:
    """The plan a checked flag holds, also while the model is killed."""
    variants, metadata = flag["variants"], flag["metadata"]
    versions = {name: _version(model, variants.get(name)) for name in _VERSIONS}
    return TrafficPlan(
        model=model,
        champion=versions["champion"],
        candidate=versions["candidate"],
        previous=versions["previous"],
        weight_bp=metadata["weight_bp"],
        audience=_audience(metadata.get("audience")),
        mirror=metadata["mirror"],
        baseline=variants.get("baseline", {}).get("score"),
        fallback=tuple(metadata["fallback"].split()) if "fallback" in metadata else USUAL_FALLBACK,
        breaker=_breaker(metadata),
        release_id=metadata.get("release"),
        step=metadata["step"],
        revision=metadata["rev"],
    )


def kill_of(flag: Mapping[str, Any]) -> Kill | None:
    metadata = flag["metadata"]
    if "killed_to" not in metadata:
        return None
    return Kill(
        to=metadata["killed_to"],
        reason=metadata.get("kill_reason", ""),
        actor=metadata.get("killed_by", ""),
    )


def faults_of(plan: TrafficPlan) -> list[str]:
    """Why this plan must not be published; empty when it may."""
    named = {"champion": plan.champion, "candidate": plan.candidate, "previous": plan.previous}
    faults = [
        f"{name} is a version of {variant.ref.model}, not of {plan.model}"
        for name, variant in named.items()
        if variant is not None and variant.ref.model != plan.model
    ]
    if plan.champion is None and plan.baseline is None:
        faults.append("neither a champion nor a baseline rule can answer")
    if plan.baseline is not None and not 0 <= plan.baseline <= 1:
        faults.append(f"the baseline's score {plan.baseline} is not a probability")
    if plan.candidate is None and (plan.weight_bp or plan.mirror):
        faults.append("traffic or a mirror is asked for a candidate that is not named")
    if plan.candidate is not None and plan.candidate == plan.champion:
        faults.append("candidate and champion are the same version")
    if plan.audience is not None and not has_zone(plan.audience):
        faults.append(f"the audience's time zone {plan.audience.time_zone} is unknown")
    return faults


def _variants(plan: TrafficPlan, kill: Kill | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in _VERSIONS:
        variant: TrafficVariant | None = getattr(plan, name)
        if variant is not None:
            found[name] = {"version": variant.ref.version, "digest": variant.digest}
    if plan.champion is None:
        found["champion"] = {"version": RULE, "score": plan.baseline}
    if plan.baseline is not None:
        found["baseline"] = {"score": plan.baseline}
    if "degraded" in plan.fallback or (kill is not None and kill.to == "degraded"):
        found["degraded"] = {"status": 200}
    found["error"] = {"status": 503}
    return found


def _targeting(plan: TrafficPlan) -> dict[str, Any]:
    if plan.candidate is None:
        return {}
    shares = [["candidate", plan.weight_bp], ["champion", FULL_WEIGHT_BP - plan.weight_bp]]
    split = {"fractional": [BUCKET_KEY, *shares]}
    if plan.audience is None:
        return split
    return {"if": [rule_of(plan.audience), split, "champion"]}


def split_in(targeting: Mapping[str, Any]) -> Any:
    """The fractional split of a flag's targeting, whoever it is for; ``None`` without one."""
    branches = targeting.get("if")
    if isinstance(branches, list) and len(branches) == 3 and isinstance(branches[1], Mapping):
        targeting = branches[1]
    return targeting.get("fractional")


def _audience(told: str | None) -> Audience | None:
    return None if told is None else Audience.model_validate_json(told)


def _breaker(metadata: Mapping[str, Any]) -> Breaker | None:
    rules = {
        name.removeprefix(_BREAKER): value
        for name, value in metadata.items()
        if name.startswith(_BREAKER)
    }
    return Breaker.model_validate(rules) if rules else None


def _metadata(plan: TrafficPlan, kill: Kill | None) -> dict[str, str | float | bool]:
    metadata: dict[str, str | float | bool] = {
        "rev": plan.revision,
        "step": plan.step,
        "mirror": plan.mirror,
        "weight_bp": plan.weight_bp,
    }
    if plan.fallback != USUAL_FALLBACK:
        metadata["fallback"] = " ".join(plan.fallback)
    if plan.audience is not None:
        metadata["audience"] = plan.audience.model_dump_json()
    if plan.breaker is not None:
        metadata |= {_BREAKER + name: value for name, value in plan.breaker.plain().items()}
    if plan.release_id is not None:
        metadata["release"] = plan.release_id
    if kill is not None:
        metadata |= {"killed_to": kill.to, "kill_reason": kill.reason, "killed_by": kill.actor}
    return metadata


def _version(model: str, value: Mapping[str, Any] | None) -> TrafficVariant | None:
    if value is None or value["version"] == RULE:
        return None
    return TrafficVariant(
        ref=ModelRef(model=model, version=value["version"]), digest=value["digest"]
    )
