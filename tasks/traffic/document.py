"""Is this flag document fit to serve? And how a plan, a kill and a restore change it.

A document can be valid flagd JSON and still be wrong: ``{}`` turns every flag into the
reader's own default, a variant nobody defined or a weight of 10.5 silently serves something
else. So a document is checked whole, before it is published and before it is obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from policies.errors import RefusedError, StaleMoveError
from policies.vocabulary import FULL_WEIGHT_BP, TrafficPlan
from tasks.traffic.flag import (
    RULE,
    SCHEMA,
    Kill,
    faults_of,
    flag_of,
    kill_of,
    plan_of,
    split_in,
)

Document = dict[str, Any]
KILL_TARGETS = ("previous", "baseline", "degraded", "error", "champion")
KNOWN_VARIANTS = ("champion", "candidate", "previous", "baseline", "degraded", "error")
_METADATA = {"rev": int, "step": str, "mirror": bool, "weight_bp": int}


def empty() -> Document:
    return {"$schema": SCHEMA, "flags": {}}


def check(document: object, held: Mapping[str, Any] | None = None) -> list[str]:
    """Every fault of ``document``, also as a successor of ``held``; empty when it may serve."""
    if not isinstance(document, Mapping):
        return ["the document is not an object"]
    flags = document.get("flags")
    if not isinstance(flags, Mapping) or not flags:
        return ["the document has no flags"]
    faults = [f"{key}: {fault}" for key, flag in flags.items() for fault in _read(key, flag)]
    if not faults and held is not None:
        faults = _successor(flags, held["flags"])
    return faults


def apply(
    document: Mapping[str, Any], plan: TrafficPlan, after: int | None = None
) -> tuple[Document, TrafficPlan]:
    """Publish ``plan`` with the next revision; the plan already published stays as it is.

    With ``after``, only while that revision is still the published one: a run that decided
    before somebody rolled back must not put the candidate back into traffic.
    """
    if faults := faults_of(plan):
        raise RefusedError(
            f"The plan for {plan.model} is wrong: {'; '.join(faults)}.",
            advice="Nothing has changed. Correct the plan and apply it again.",
        )
    flag = document["flags"].get(plan.model)
    if flag is None:
        refuse_stale(plan.model, 0, after)
        return _with(document, plan.model_copy(update={"revision": 1}), None)
    if (kill := kill_of(flag)) is not None:
        raise RefusedError(
            f"{plan.model} is killed to {kill.to}: {kill.reason}",
            advice="A kill outranks every plan. Lift it first: "
            f"seatrial restore {plan.model} --reason WHY",
        )
    current = plan_of(plan.model, flag)
    if current == plan.model_copy(update={"revision": current.revision}):
        return dict(document), current
    refuse_stale(plan.model, current.revision, after)
    return _with(document, plan.model_copy(update={"revision": current.revision + 1}), None)


def refuse_stale(model: str, published: int, after: int | None) -> None:
    if after is not None and published != after:
        raise StaleMoveError(
            f"{model} is at revision {published}; this was decided at {after}.",
            advice="Somebody moved the traffic meanwhile: read the ledger and decide again.",
        )


def kill(
    document: Mapping[str, Any], model: str, to: str | None, reason: str, actor: str
) -> tuple[Document, TrafficPlan]:
    """Take the model out of service. What ``to`` names and is not there: the next in the chain.

    A kill must not fail because the previous version was never recorded; ``degraded`` and
    ``error`` are always there. Killing again replaces target and reason; the very same kill
    changes nothing.
    """
    flag = _known(document, model)
    if to is not None and to not in KILL_TARGETS:
        raise RefusedError(
            f"{model} cannot be killed to {to}.",
            advice="Name previous, baseline, degraded, error, or champion to drop the candidate "
            "only.",
        )
    plan = plan_of(model, flag)
    there = {*flag["variants"], "degraded", "error"}
    target = next(name for name in _down_from(to, plan.fallback) if name in there)
    asked = Kill(to=target, reason=reason, actor=actor)
    if kill_of(flag) == asked:
        return dict(document), plan
    return _with(document, _next(plan), asked)


def _down_from(to: str | None, chain: Sequence[str]) -> tuple[str, ...]:
    """What is named, then the rest of the chain below it, or all of a chain it is not in."""
    if to is None:
        return (*chain, "error")
    below = chain[chain.index(to) + 1 :] if to in chain else chain
    return (to, *below, "error")


def restore(
    document: Mapping[str, Any], model: str, after: int | None = None
) -> tuple[Document, TrafficPlan]:
    """Lift the kill: the champion answers again, the candidate gets nothing.

    With ``after``, only while that revision is the published one: a restore that is sent twice
    must not lift a kill that somebody gave in between.

    What was on trial when the model was killed comes back only when its release applies a
    plan again, never because somebody lifted a kill.
    """
    flag = _known(document, model)
    plan = plan_of(model, flag)
    if kill_of(flag) is None:
        return dict(document), plan
    refuse_stale(model, plan.revision, after)
    return _with(document, _next(plan, weight_bp=0, mirror=False), None)


def _next(plan: TrafficPlan, **changes: object) -> TrafficPlan:
    return plan.model_copy(update={"revision": plan.revision + 1, **changes})


def _known(document: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    flag: Mapping[str, Any] | None = document["flags"].get(model)
    if flag is None:
        raise RefusedError(
            f"The switch knows no model {model}.",
            advice=f"It knows: {', '.join(sorted(document['flags'])) or 'none yet'}.",
        )
    return flag


def _with(
    document: Mapping[str, Any], plan: TrafficPlan, kill: Kill | None
) -> tuple[Document, TrafficPlan]:
    flags = {**document["flags"], plan.model: flag_of(plan, kill)}
    return {**document, "flags": dict(sorted(flags.items()))}, plan


def _successor(flags: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    faults = [f"{key}: the flag has disappeared" for key in held if key not in flags]
    for key in held.keys() & flags.keys():
        before, now = held[key]["metadata"]["rev"], flags[key]["metadata"]["rev"]
        if now < before:
            faults.append(f"{key}: revision {now} is older than {before}, which is held")
        elif now == before and flags[key] != held[key]:
            faults.append(f"{key}: revision {now} was published before with other contents")
    return sorted(faults)


def _read(key: str, flag: object) -> list[str]:
    """Whatever a hand has written there, it is a fault and never a crash of its reader."""
    try:
        return _flag(key, flag)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        return [f"the flag cannot be understood: {error}"]


def _flag(key: str, flag: object) -> list[str]:
    if not isinstance(flag, Mapping):
        return ["the flag is not an object"]
    faults = _outline(flag)
    faults = faults or [*_variants(flag), *_targeting(flag)]
    return faults or _as_planned(key, flag)


def _outline(flag: Mapping[str, Any]) -> list[str]:
    faults = []
    if flag.get("state") != "ENABLED":
        faults.append("state is not ENABLED")
    for part in ("variants", "targeting", "metadata"):
        if not isinstance(flag.get(part), Mapping):
            faults.append(f"{part} is missing")
    if faults:
        return faults
    for name, kind in _METADATA.items():
        if type(flag["metadata"].get(name)) is not kind:
            faults.append(f"metadata.{name} is missing or not {kind.__name__}")
    return faults


def _variants(flag: Mapping[str, Any]) -> list[str]:
    variants, default = flag["variants"], flag.get("defaultVariant")
    faults = [f"unknown variant {name}" for name in variants if name not in KNOWN_VARIANTS]
    faults += [
        f"variant {name} is missing" for name in ("champion", "error") if name not in variants
    ]
    faults += [f"variant {n} is not an object" for n, v in variants.items() if type(v) is not dict]
    if default not in variants:
        faults.append(f"defaultVariant {default} is not among the variants")
    for name in ("champion", "candidate", "previous"):
        value = variants.get(name)
        if value is None:
            continue
        known = isinstance(value, Mapping) and isinstance(value.get("version"), str)
        if not known or (value["version"] != RULE and "digest" not in value):
            faults.append(f"variant {name} names no version and digest")
    return faults


def _targeting(flag: Mapping[str, Any]) -> list[str]:
    targeting = flag["targeting"]
    if not targeting:
        split = "candidate" in flag["variants"] and "killed_to" not in flag["metadata"]
        return ["targeting is empty although there is a candidate"] if split else []
    fractional = split_in(targeting)
    if not isinstance(fractional, list) or len(fractional) < 3:
        return ["targeting is not a fractional split"]
    faults, total = [], 0
    for share in fractional[1:]:
        if not isinstance(share, list) or len(share) != 2:
            return ["a share is not a pair of variant and weight"]
        name, weight = share
        if name not in flag["variants"]:
            faults.append(f"targeting names the unknown variant {name}")
        if type(weight) is not int or weight < 0:
            faults.append(f"the weight of {name} is not a whole number of basis points: {weight}")
        else:
            total += weight
    if not faults and total != FULL_WEIGHT_BP:
        faults.append(f"weights sum to {total}, not {FULL_WEIGHT_BP}")
    return faults


def _as_planned(key: str, flag: Mapping[str, Any]) -> list[str]:
    """The flag must be the one its own plan would write: nothing in it may contradict."""
    try:
        plan, killed = plan_of(key, flag), kill_of(flag)
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    faults = faults_of(plan)
    if not faults and flag_of(plan, killed) != dict(flag):
        faults.append("variants, targeting and metadata contradict one another")
    return faults
