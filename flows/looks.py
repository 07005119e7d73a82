"""One look at a step with mirrored or live traffic: observe → weigh → (the gate judges)."""

from __future__ import annotations

from policies.errors import UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Evidence, Step
from tasks.evidence.task import weigh
from tasks.ledger.task import Log
from tasks.telemetry.task import coverage_evidence, observe, rows_evidence
from tasks.traffic.task import check_serving


def look_at_traffic(log: Log, state: Release, step: Step) -> list[Evidence]:
    """Every guardrail of the step. A source that does not answer is evidence of that, no more."""
    policy = state.policy
    try:
        observation = observe(log.release_id, policy, step, log.now())
        serving = check_serving(state.plan) if state.plan else no_plan()
    except UnavailableError as error:
        return [down("telemetry", error)]
    return [
        *weigh(policy, step, observation.windows),
        rows_evidence(policy, step, observation),
        coverage_evidence(policy, observation.coverage),
        serving,
    ]


def down(name: str, error: UnavailableError) -> Evidence:
    return Evidence(name=name, kind="check", status="down", detail=str(error))


def no_plan() -> Evidence:
    return Evidence(
        name="serving as planned", kind="check", status="invalid", detail="No plan is recorded."
    )
