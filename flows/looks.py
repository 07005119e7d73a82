"""One look at a step with mirrored or live traffic: observe → weigh → (the gate judges)."""

from __future__ import annotations

from policies.errors import EvidenceError, RefusedError, UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Evidence, Step
from tasks.evidence.task import weigh
from tasks.ledger.task import Log
from tasks.telemetry.task import coverage_evidence, observe, rows_evidence
from tasks.traffic.task import check_serving


def look_at_traffic(log: Log, state: Release, step: Step) -> list[Evidence]:
    """Every guardrail of the step, and whether the comparison is one.

    A source that does not answer is evidence of that and of nothing more: harm that the other
    sources show still counts.
    """
    return [*weighed(log, state, step), serving(state)]


def weighed(log: Log, state: Release, step: Step) -> list[Evidence]:
    policy, now = state.policy, log.now()
    try:
        observation = observe(log.release_id, policy, step, now)
        return [
            *weigh(policy, step, observation.windows),
            rows_evidence(policy, step, observation),
            coverage_evidence(policy, observation, now),
        ]
    except UnavailableError as error:
        return [down("telemetry", error)]
    except (RefusedError, EvidenceError) as error:
        return [broken("telemetry", error)]


def serving(state: Release) -> Evidence:
    if state.plan is None:
        return Evidence(
            name="serving as planned", kind="check", status="invalid", detail="No plan is recorded."
        )
    try:
        return check_serving(state.plan)
    except UnavailableError as error:
        return down("serving", error)


def down(name: str, error: UnavailableError) -> Evidence:
    return Evidence(name=name, kind="check", status="down", detail=str(error))


def broken(name: str, error: RefusedError | EvidenceError) -> Evidence:
    return Evidence(name=name, kind="check", status="invalid", detail=str(error))
