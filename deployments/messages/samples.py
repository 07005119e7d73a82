"""One of every kind of message, built by the same functions from release states as they occur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from policies.between import CONTRACT, LABELS, found, suspected, unseen, well
from policies.drift import PREDICTIONS
from policies.lifecycle import Closing, Containment, Phase, Release
from policies.loader import find
from policies.vocabulary import (
    ApprovalRequest,
    Decision,
    Finding,
    Judged,
    Message,
    Outcome,
    Step,
    TrafficPlan,
    Verdict,
)
from policies.watching import Alarm
from tasks.incidents.incident import incident_of
from tasks.incidents.suspected import suspected_of
from tasks.notify import alarm, message

NOW = datetime(2026, 3, 4, 2, 47, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MODEL, RELEASE = "flight-delay-nyc", "rel-4f93a63e"
POLICY = find("flight-delay").policy
STEPS: Mapping[str, Step] = MappingProxyType({step.name: step for step in POLICY.steps()})
PEOPLE = MappingProxyType({"flight-operations-on-call": "S0ONCALL"})  # known to Slack
DIGEST = "sha256:" + "ab" * 32
PROOF = (
    "Every guardrail is within its margin: quality effect -0.0306 (-0.0942 to +0.0329), "
    "17786 rows in 20 days; 3 checks hold."
)
HARM = (
    "errors is worse by more than its limit: effect +0.0410 (+0.0192 to +0.0660), limit 0.002, "
    "1130 rows in 5 days."
)
MOVED = (
    "Jensen-Shannon distance: scores 0.41 (0.43 to 0.52: 10.0% before, 61.3% now; 1814 rows "
    "against 25396). The policy tells it from 0.2 on and acts from 0.35 on."
)


PICTURED = ("stage", "approval", "waits-escalated", "page", "rollback", "between", "review")


@dataclass(frozen=True)
class Sample:
    """A message, when it is sent, and to whom."""

    name: str
    when: str
    whom: str
    message: Message

    @property
    def pictured(self) -> bool:
        return self.name in PICTURED


def at(step: str, **more: Any) -> Release:
    """A release that stands at a step, as it would on the record."""
    here = STEPS[step]
    plan = TrafficPlan(
        model=MODEL, champion=None, baseline=0.2, weight_bp=here.weight_bp, mirror=here.mirror
    )
    known: dict[str, Any] = {
        "phase": Phase.STANDING,
        "release_id": RELEASE,
        "model": MODEL,
        "version": "7",
        "requester": "Erin Vale",
        "policy_document": POLICY.model_dump(mode="json"),
        "step": here,
        "plan": plan,
        "entered_at": NOW - 9 * DAY,
        "next_look": NOW + DAY,
    }
    return Release(**(known | more))


def verdict(decision: Decision, finding: Finding, reason: str, *judged: Judged) -> Verdict:
    return Verdict(decision=decision, finding=finding, reason=reason, judged=judged)


REQUEST = ApprovalRequest(
    request_id="req-25956e32", nonce="n", release_id=RELEASE, gate="canary", model=MODEL,
    version="7", artefact_digest=DIGEST, evidence_digest=DIGEST, policy_digest=DIGEST,
    requester="Erin Vale", trainer="Tom Hale", roles={"reviewer": 1, "manager": 1},
    asked_at=NOW - HOUR, expires_at=NOW + 3 * DAY,
)  # fmt: skip
PASSED = at("shadow", verdict=verdict(Decision.PASS, Finding.SAFE, PROOF), request=REQUEST)
OPEN = Judged(
    name="quality",
    finding=Finding.NOT_ENOUGH_EVIDENCE,
    reason="not shown to be within 0.05: effect +0.0110 (-0.0630 to +0.0850).",
)
HOLDING = at(
    "canary 5 %",
    verdict=verdict(Decision.HOLD, Finding.NOT_ENOUGH_EVIDENCE, "Not yet shown.", OPEN),
)
WAITS = Alarm(
    about="people", after=41, since=NOW - timedelta(minutes=16), missing=("1 × manager",),
    why="Asked 16 minutes ago; still missing: 1 × manager.",
)  # fmt: skip
STILL_WAITS = WAITS.model_copy(
    update={
        "escalated": True,
        "since": NOW - timedelta(minutes=77),
        "why": "Asked 77 minutes ago; still missing: 1 × manager.",
    }
)
HOLDS = Alarm(
    about="proof", after=58, since=NOW - 2 * HOUR, missing=(f"{OPEN.name}: {OPEN.reason}",),
    why="Its time here was over 2 hours ago, and it is not shown to be safe.",
)  # fmt: skip
OVERDUE = Alarm(
    about="overdue", after=60, since=NOW - 0.4 * HOUR, why="Its look has been due for 24 minutes."
)


def stopped(step: str, reason: str, finding: Finding | None, outcome: Outcome) -> Release:
    why = Containment(reason=reason, finding=finding, outcome=outcome)
    seconds = 0.412 if STEPS[step].weight_bp else None
    return at(step, phase=Phase.CONTAINED, containment=why, seconds_to_zero_traffic=seconds)


def ended(outcome: Outcome, step: str, reason: str, exposed: int) -> Release:
    end = Closing(
        outcome=outcome, stage=step, finding=None, reason=reason, exposed_requests=exposed,
        seconds_to_zero_traffic=None,
    )  # fmt: skip
    return at(step, phase=Phase.CLOSED, closing=end)


HARMFUL = stopped("ramp 25 %", HARM, Finding.HARMFUL, Outcome.ROLLED_BACK)
ROLLED_BACK = HARMFUL.model_copy(
    update=ended(Outcome.ROLLED_BACK, "ramp 25 %", HARM, 1130).model_dump(include={"phase"})
    | {"closing": ended(Outcome.ROLLED_BACK, "ramp 25 %", HARM, 1130).closing}
)
IN_SHADOW = stopped("shadow", HARM, Finding.HARMFUL, Outcome.ROLLED_BACK)
FEED = "coverage is no comparison: no day since 2026-03-01 has labels of both models."
BLIND = at("canary 5 %", verdict=verdict(Decision.HOLD, Finding.INVALID, FEED))
LATE_FEED = "612 of 905 answers of a day have a label after 12 hours; the policy wants 70%."
NOBODY_CALLED = "the thread of the release; nobody is called"
IN_CHANNEL = "thread and channel"
ON_CALL = f"{IN_CHANNEL}; calls the policy's on-call"


def samples() -> tuple[Sample, ...]:
    """Every kind, in the order in which a release may meet them."""
    form = "http://127.0.0.1:4200/runs/flow-run/4f93a63e"
    return (
        Sample("begins", "A release has opened and entered staging.", NOBODY_CALLED,
               message.stage_change(at("staging"), None)),
        Sample("stage", "A step has begun, and every serving process reports its traffic.",
               NOBODY_CALLED, message.stage_change(at("canary 5 %"), STEPS["shadow"])),
        Sample("approval", "The next step needs sign-offs.",
               f"{IN_CHANNEL}; calls the roles that may sign",
               message.approval_wanted(PASSED, REQUEST, form)),
        Sample("waits-for-people", "Sign-offs are missing for longer than `pause_alert_minutes`.",
               f"{IN_CHANNEL}; calls the missing roles, once", alarm.paused(PASSED, WAITS)),
        Sample("waits-escalated", "Nobody has acted for four times as long since.",
               f"{ON_CALL}, the missing roles and the owner, once",
               alarm.paused(PASSED, STILL_WAITS)),
        Sample("hold", "A look finds that it cannot judge: source down, or no valid comparison.",
               "the thread; calls the owner, once a finding", message.hold(BLIND)),
        Sample("source-down", "Something the release needs does not answer.",
               "the thread; nobody is called, once an outage",
               message.source_down(f"{MODEL} v7", RELEASE, "The gateway does not answer.")),
        Sample("holds-past-its-time", "The step's least time is over, and it still holds.",
               f"{IN_CHANNEL}; calls the owner, once a step", alarm.paused(HOLDING, HOLDS)),
        Sample("unattended", "A look is overdue, or a stop has no process at work on it.",
               f"{ON_CALL}, once", alarm.paused(HOLDING, OVERDUE)),
        Sample("stuck", "Something is broken that waiting does not mend.",
               ON_CALL, alarm.stuck(HOLDING, "The policy's data contract names no column.")),
        Sample("page", "A candidate that users met was stopped: SEV1 or SEV2.",
               ON_CALL, message.page(incident_of(HARMFUL, NOW))),
        Sample("incident", "A candidate was stopped before it could do much: SEV3 or SEV4.",
               f"{IN_CHANNEL}; nobody is called",
               message.page(incident_of(IN_SHADOW, NOW))),
        Sample("unconfirmed", "A stop cannot be confirmed: a serving process is silent.",
               ON_CALL, alarm.unconfirmed(HARMFUL, "Replica g2 does not answer.")),
        Sample("rollback", "A release has ended as rolled back.",
               f"{IN_CHANNEL}; nobody is called", message.release_complete(ROLLED_BACK)),
        Sample("released", "A release has ended: the candidate is the champion.", NOBODY_CALLED,
               message.release_complete(ended(Outcome.RELEASED, "soak", PROOF, 20089))),
        Sample("refused", "A release has ended: staging or a person refused it.", NOBODY_CALLED,
               message.release_complete(ended(
                   Outcome.REFUSED, "staging", "feature parity failed: 0.3112 of feature values "
                   "differ against at most 0.001. temp: 100.0% of rows differ.", 0))),
        Sample("held", "A release has ended at a deadline, without proof.", NOBODY_CALLED,
               message.release_complete(ended(
                   Outcome.HELD, "shadow", "Not shown in time at shadow: Not yet shown.", 0))),
        Sample("aborted", "A release was aborted.", NOBODY_CALLED,
               message.release_complete(ended(
                   Outcome.ABORTED, "canary 5 %", "Aborted by system:watch: the run was cancelled "
                   "in Prefect", 91))),
        Sample("deviation", "The daily look sees something else serving than is on the ledger.",
               f"{IN_CHANNEL}; calls the policy's on-call, once",
               alarm.deviation(MODEL, "g1 serves sha256:77ab…, not sha256:abab….",
                               (POLICY.incident.on_call,),
                               (("Runbook", POLICY.incident.runbook),))),
        Sample("between", "The daily look at a model between releases finds something.",
               "the model's own thread and the channel; calls the owner, once",
               alarm.between_releases(
                   MODEL, (found(LABELS, LATE_FEED),
                           unseen(CONTRACT, "No request of the last day is on record with its "
                                  "inputs.")), (POLICY.owner,), NOW)),
        Sample("between-well", "What the daily look had found is well again.",
               "the model's own thread and the channel; nobody is called",
               alarm.between_releases(MODEL, (well(LABELS),), (POLICY.owner,), NOW)),
        Sample("suspected", "The daily look sees the model's own scores move beyond `act_at`.",
               "the model's own thread and the channel; calls the owner, once",
               alarm.suspected(suspected_of(MODEL, suspected(PREDICTIONS, MOVED), POLICY, NOW),
                               (POLICY.owner,))),
        Sample("review", "A model's risk was judged longer ago than `rerisk_months`.",
               "the model's own thread and the channel; calls the owner, once",
               alarm.review_due(
                   MODEL, "Last reviewed on 2025-03-01; the policy asks every 12 months.",
                   (("Releases", "4"), ("Incidents", "1"), ("Alerts", "6")),
                   f"documents/review-{MODEL}/risk_2026-03-01.md", (POLICY.owner,))),
        Sample("test", "Somebody runs `seatrial notify test`.", "the channel; nobody is called",
               alarm.trial("Erin Vale", NOW)),
    )  # fmt: skip
