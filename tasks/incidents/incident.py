"""An incident as a value, made from the release that was stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from policies.errors import IllegalMoveError
from policies.lifecycle import Phase, Release
from policies.severity import Level, severity
from policies.vocabulary import Value

Status = Literal["open", "acknowledged", "resolved"]


class Incident(Value):
    """What people need who did not see it happen. The payload of the entry ``incident``."""

    incident_id: str
    severity: Level
    severity_reason: str
    title: str
    reason: str  # why the release was stopped
    release_id: str
    model: str
    version: str
    stage: str  # name of the step
    weight_bp: int  # the candidate's share when it was stopped
    on_call: str
    runbook: str
    opened_at: datetime
    seconds_to_zero_traffic: float | None = None
    status: Status = "open"


def incident_of(state: Release, opened_at: datetime) -> Incident:
    """The incident of a stopped release. Its id follows from the release: opened only once.

    ``IllegalMoveError`` for a release that was not stopped. While its containment is not yet
    observed the candidate counts as still serving.
    """
    if state.containment is None:
        raise IllegalMoveError(
            f"Release {state.release_id} was not stopped: it has no incident.",
            advice="Contain it first (seatrial rollback or seatrial kill).",
        )
    rules = state.policy.incident
    weight_bp = state.plan.weight_bp if state.plan else 0
    stage = state.step.name if state.step else "opening"
    grade = severity(
        rules,
        weight_bp=weight_bp,
        finding=state.containment.finding,
        tier=state.policy.tier,
        contained=state.phase in (Phase.CONTAINED, Phase.CLOSED),
        tampered=state.containment.tampered,
    )
    return Incident(
        incident_id=f"inc-{state.release_id.removeprefix('rel-')}",
        severity=grade.level,
        severity_reason=grade.reason,
        title=f"{state.model} v{state.version} stopped at {stage}",
        reason=state.containment.reason,
        release_id=state.release_id,
        model=state.model,
        version=state.version,
        stage=stage,
        weight_bp=weight_bp,
        on_call=rules.on_call,
        runbook=rules.runbook,
        opened_at=opened_at,
        seconds_to_zero_traffic=state.seconds_to_zero_traffic,
    )
