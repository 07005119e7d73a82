"""The traffic plane's nodes on the release graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policies.lifecycle import Release
from policies.vocabulary import Evidence, TrafficPlan, Value
from tasks.connections import current
from tasks.node import node
from tasks.traffic import moving, trial
from tasks.traffic.ports import Probe


@node("move traffic", "traffic · {what}")
def move_traffic(plan: TrafficPlan, what: str, after: int) -> moving.Moved:
    """Publish the plan and wait until every replica serves it. ``what`` names it on the graph.

    ``after``: the revision that was published when the move was decided.
    """
    world = current()
    return moving.move_traffic(world.router, world.serving, plan, after=after)


class Switch(Value):
    """What the switch holds for one model: read before the ledger is folded."""

    revision: int  # 0: nothing published
    killed_to: str | None


def read_switch(model: str) -> Switch:
    router = current().router
    plan = router.current(model)
    return Switch(revision=plan.revision if plan else 0, killed_to=router.killed_to(model))


@node("contain", "contain · candidate out of traffic")
def contain(state: Release) -> moving.Moved:
    world = current()
    return moving.contain(world.router, world.serving, state)


@node("check serving", "do all replicas serve the plan?")
def check_serving(plan: TrafficPlan) -> Evidence:
    """A comparison with a candidate that is not really serving would be invalid."""
    observed = current().serving.observe(plan.model)
    if opened := [f"{r.replica}: {r.opened}" for r in observed if r.opened]:
        return Evidence(
            name="circuit breaker",
            kind="check",
            effect=float(len(opened)),
            limit=0.0,
            n=len(observed),
            unit="replicas have taken the candidate out",
            detail="; ".join(opened),
        )
    why = moving.disagreement(plan, observed)
    return Evidence(
        name="serving as planned",
        kind="check",
        status="ok" if why is None else "invalid",
        effect=0.0 if why is None else 1.0,
        limit=0.0,
        n=len(observed),
        unit="replicas out of step",
        detail=why or "",
    )


@node("check loading", "does the candidate load on every replica?")
def check_loading(plan: TrafficPlan) -> Evidence:
    """Files that no longer are what was registered, or that this plane cannot load."""
    observed = current().serving.observe(plan.model)
    return trial.check_loading(moving.unloadable(plan, observed), len(observed))


@node("probe", "score {what} with the {variant} on the serving path")
def probe(
    model: str, variant: str, rows: Sequence[dict[str, Any]], what: str, timed_calls: int = 0
) -> Probe:
    return current().serving.probe(model, variant, rows, timed_calls=timed_calls)


@node("probe champion", "score recent traffic with the champion")
def probe_champion(state: Release, rows: Sequence[dict[str, Any]]) -> Probe:
    if state.champion is None and state.baseline is not None:
        return trial.rule_probe(state.baseline, len(rows))
    return current().serving.probe(state.model, "champion", rows)


@node("check fallback", "does what we would fall back to answer?")
def check_fallback(champion: Probe, rows: int) -> Evidence:
    return trial.check_fallback(champion, rows)


@node("deviation", "does {model} serve what the ledger says?")
def deviation(model: str, digest: str | None) -> str | None:
    """Why not; ``None`` when every replica's champion has the expected digest."""
    for replica in current().serving.observe(model):
        if replica.error:
            return f"{replica.replica}: {replica.error}"
        if replica.killed_to is not None:
            return f"{replica.replica} is killed to {replica.killed_to}"
        if digest is not None and replica.serving.get("champion") != digest:
            return f"{replica.replica} serves {replica.serving.get('champion')}, not {digest}"
    return None


@node("stray traffic", "does any candidate of {model} get traffic?")
def stray_traffic(model: str) -> str | None:
    """Between releases nothing but the champion may be on the switch, or in a replica."""
    world = current()
    plan = world.router.current(model)
    if plan is not None and (plan.candidate is not None or plan.weight_bp or plan.mirror):
        who = str(plan.candidate.ref) if plan.candidate else "a candidate"
        return f"The switch gives {who} {plan.weight_bp / 100:g} %, and no release is live."
    for replica in world.serving.observe(model):
        if replica.weight_bp or replica.mirror:
            return f"{replica.replica} gives a candidate {replica.weight_bp / 100:g} %."
    return None
