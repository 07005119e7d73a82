"""One look at a step with mirrored or live traffic: observe → weigh → (the gate judges)."""

from __future__ import annotations

from datetime import datetime

from policies import drift
from policies.errors import EvidenceError, RefusedError, UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Evidence, Step
from tasks.evaluation.task import measure_drift
from tasks.evidence.task import weigh
from tasks.ledger.task import Log
from tasks.registry.task import UNTOUCHED, digest_now, untouched
from tasks.telemetry.task import coverage_evidence, inputs_evidence, observe, rows_evidence, shapes
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
        observation = observe(log.release_id, state.model, policy, step, now, state.frozen)
        return [
            *weigh(policy, step, observation.windows),
            *(broken(name, error) for name, error in observation.unreadable.items()),
            rows_evidence(policy, step, observation),
            coverage_evidence(policy, step, observation, now),
            *inputs_evidence(policy, observation),
            *inputs_moved(state, now),
        ]
    except UnavailableError as error:
        return [down("telemetry", error)]
    except (RefusedError, EvidenceError) as error:
        return [broken("telemetry", error)]


def inputs_moved(state: Release, now: datetime) -> list[Evidence]:
    """Where the policy says from when on a comparison on such inputs is none."""
    rules = state.policy.drift.inputs if state.policy.drift else None
    if rules is None or rules.act_at is None or state.opened_at is None:
        return []
    reference = drift.recent(rules, now)
    if rules.reference == "before_release":
        reference = drift.before(rules, state.opened_at)
    seen = shapes(state.model, rules.columns, reference, drift.window_of(rules, now))
    return [drift.evidence_of(rules, measure_drift(rules.distance, seen))]


def artefact_now(log: Log, state: Release) -> list[Evidence]:
    """Are the registered files still those of the opening? If not, it is on the record at once."""
    if state.artefact is None:
        return []
    try:
        now = digest_now(state.artefact)
    except UnavailableError as error:
        return [down(UNTOUCHED, error)]
    except RefusedError as error:
        return [broken(UNTOUCHED, error)]
    found = untouched(state.artefact, now)
    if found.effect:
        log.fact("tampered", {"found": now, "expected": state.artefact.digest})
    return [found]


def is_as_evaluated(log: Log, state: Release) -> bool:
    """Asked before users meet the candidate: people may have taken days to sign since the look.

    ``False``: it was tampered with, which is on the record now, and the next turn contains it.
    A registry that does not answer is waited for.
    """
    for item in artefact_now(log, state):
        if item.status == "down":
            raise UnavailableError(item.detail, advice="Start MLflow: the release waits for it.")
        if item.status != "ok":
            raise RefusedError(item.detail, advice="Look for the version in the MLflow registry.")
        if item.effect:
            return False
    return True


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


def broken(name: str, error: RefusedError | EvidenceError | str) -> Evidence:
    return Evidence(name=name, kind="check", status="invalid", detail=str(error))
