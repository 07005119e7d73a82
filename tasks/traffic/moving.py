"""Moving traffic and believing only what the serving processes report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from policies.errors import UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Serving, Step, TrafficPlan, TrafficVariant, Value
from tasks.traffic.ports import Router, ServingPlane


class Moved(Value):
    """The plan as published and what every replica reported once they all agreed."""

    plan: TrafficPlan
    observed: tuple[Serving, ...]
    seconds: float


def plan_for(state: Release, step: Step) -> TrafficPlan:
    """Who serves whom at this step of the release."""
    return TrafficPlan(
        model=state.model,
        champion=state.champion,
        candidate=candidate_of(state),
        previous=state.previous,
        weight_bp=step.weight_bp,
        audience=step.audience,
        mirror=step.mirror,
        baseline=state.baseline,
        fallback=state.policy.fallback,
        breaker=state.policy.breaker,
        release_id=state.release_id,
        step=step.name,
    )


def plan_without_candidate(state: Release) -> TrafficPlan:
    """Everything back to the champion."""
    return TrafficPlan(
        model=state.model,
        champion=state.champion,
        previous=state.previous,
        baseline=state.baseline,
        fallback=state.policy.fallback,
    )


def plan_promoted(state: Release) -> TrafficPlan:
    """The candidate is the champion now, and what it replaced stays ready behind it."""
    return TrafficPlan(
        model=state.model,
        champion=candidate_of(state),
        previous=state.champion,
        baseline=state.baseline,
        fallback=state.policy.fallback,
    )


def candidate_of(state: Release) -> TrafficVariant | None:
    if state.artefact is None:
        return None
    return TrafficVariant(ref=state.artefact.ref, digest=state.artefact.digest)


def disagreement(plan: TrafficPlan, observed: Sequence[Serving]) -> str | None:
    """Why the replicas do not serve this plan; ``None`` when every one of them does."""
    wanted = {
        name: variant.digest
        for name, variant in (("champion", plan.champion), ("candidate", plan.candidate))
        if variant is not None
    }
    for replica in observed:
        if replica.error:
            return f"{replica.replica}: {replica.error}"
        if replica.opened:
            return f"{replica.replica} has taken the candidate out: {replica.opened}"
        if replica.revision != plan.revision:
            return f"{replica.replica} serves revision {replica.revision}, not {plan.revision}"
        for name, digest in wanted.items():
            if replica.serving.get(name) != digest:
                return f"{replica.replica} has not loaded the {name} ({digest[:19]}…)"
        if replica.killed_to is not None:
            return f"{replica.replica} is killed to {replica.killed_to}"
    return None if observed else "no replica answered"


def unloadable(plan: TrafficPlan, observed: Sequence[Serving]) -> tuple[str, ...]:
    """Each replica that tried to load the candidate and could not, with its reason."""
    if plan.candidate is None:
        return ()
    digest = plan.candidate.digest
    return tuple(f"{r.replica}: {r.refused[digest]}" for r in observed if digest in r.refused)


def move_traffic(
    router: Router,
    serving: ServingPlane,
    plan: TrafficPlan,
    *,
    after: int | None = None,
    timeout_seconds: float = 90.0,
    load_again_seconds: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Moved:
    """Publish the plan and wait until every replica serves it.

    A plan that asks the candidate for nothing yet, as in staging, is also settled when a replica
    still cannot load the candidate after ``load_again_seconds`` of trying: what was observed
    says so, and the trial judges it.

    ``after``: the revision the plan was decided on; ``StaleMoveError`` when it is no longer the
    published one.

    ``UnavailableError`` when they do not agree in time: the plan stays published, nothing is
    recorded as done, and the same call may be made again.
    """
    start = time.monotonic()
    published = router.apply(plan, after=after)
    idle = plan.weight_bp == 0 and not plan.mirror
    observed: tuple[Serving, ...] = ()
    why: str | None = "no replica answered"
    while time.monotonic() - start < timeout_seconds:
        try:
            observed = tuple(serving.observe(plan.model))
            why = disagreement(published, observed)
        except UnavailableError as error:
            why = error.message
        seconds = time.monotonic() - start
        tried = idle and seconds >= load_again_seconds and unloadable(published, observed)
        if why is None or tried:
            return Moved(plan=published, observed=observed, seconds=seconds)
        sleep(0.05)
    raise UnavailableError(
        f"The gateway does not serve revision {published.revision} of {plan.model}: {why}.",
        advice="Look at the gateway's log (seatrial doctor names it).",
    )


def contain(
    router: Router,
    serving: ServingPlane,
    state: Release,
    *,
    timeout_seconds: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Moved:
    """Candidate out of traffic now. Needs the switch alone to act; the replicas to confirm.

    Contained is what every replica reports: no share, no mirror and no candidate loaded, or the
    model killed. Whatever else may be wrong with a replica does not delay it. While the model is
    killed nothing is applied: the kill already outranks every plan.
    """
    start = time.monotonic()
    published = router.current(state.model) or plan_without_candidate(state)
    if router.killed_to(state.model) is None:
        published = router.apply(plan_without_candidate(state))
    while time.monotonic() - start < timeout_seconds:
        observed = _observed(serving, state.model)
        if observed and all(_is_contained(replica) for replica in observed):
            seconds = time.monotonic() - start
            return Moved(plan=published, observed=observed, seconds=seconds)
        sleep(0.02)
    raise UnavailableError(
        f"The switch has taken the candidate of {state.model} out of traffic, "
        "but not every replica confirms it.",
        advice="Look at the gateway's log (seatrial doctor names it).",
    )


def _observed(serving: ServingPlane, model: str) -> tuple[Serving, ...]:
    try:
        return tuple(serving.observe(model))
    except UnavailableError:
        return ()


def _is_contained(replica: Serving) -> bool:
    if replica.killed_to is not None:
        return True
    return replica.weight_bp == 0 and not replica.mirror and "candidate" not in replica.serving
