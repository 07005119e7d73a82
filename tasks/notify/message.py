"""What a release tells people, in words: what happened, how bad, what to do.

Each builder reads the folded release and makes a ``Message``; ``layout.blocks`` turns it into
Slack's Block Kit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from policies.lifecycle import Release
from policies.vocabulary import ApprovalRequest, Message, Outcome, Step

Facts = tuple[tuple[str, str], ...]


class Wakes(Protocol):
    """What a page has to know of an incident."""

    @property
    def incident_id(self) -> str: ...
    @property
    def release_id(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def severity_reason(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def on_call(self) -> str: ...
    @property
    def runbook(self) -> str: ...
    @property
    def seconds_to_zero_traffic(self) -> float | None: ...


_ENDED = {
    Outcome.RELEASED: "is the champion now",
    Outcome.ROLLED_BACK: "was rolled back",
    Outcome.REFUSED: "was refused",
    Outcome.HELD: "was withdrawn without proof either way",
    Outcome.ABORTED: "was aborted",
}


def stage_change(state: Release, before: Step | None) -> Message:
    """A step has begun and its traffic was observed on every replica."""
    came = f"{before.name} passed." if before and before != state.step else "The release begins."
    return Message(
        kind="stage",
        title=f"{_who(state)}: {_place(state)}",
        body=f"{came} Every serving process reports this step's traffic.",
        facts=(*_standing(state), ("Next look", _when(state.next_look))),
        commands=(f"seatrial why {state.release_id}",),
        thread=state.release_id,
    )


def approval_wanted(state: Release, request: ApprovalRequest, link: str = "") -> Message:
    """People are asked to sign; the evidence lies behind the link and the command."""
    roles = ", ".join(f"{count} × {role}" for role, count in sorted(request.roles.items()))
    return Message(
        kind="approval",
        title=f"{_who(state)}: sign-off wanted for {request.gate}",
        body=state.verdict.reason if state.verdict else "Nothing has been judged yet.",
        facts=(
            ("Release", request.release_id),
            ("Who must sign", roles),
            ("Requested by", request.requester),
            ("Expires", _when(request.expires_at)),
        ),
        commands=tuple(
            f"seatrial approve {request.request_id} --as NAME --role {role} --key KEY"
            for role in sorted(request.roles)
        ),
        links=(("Evidence and form", link),) if link else (),
        thread=request.release_id,
    )


def hold(state: Release) -> Message:
    """A release holds: why, and when it looks again."""
    return Message(
        kind="hold",
        title=f"{_who(state)} holds at {_place(state)}",
        body=state.verdict.reason if state.verdict else "Nothing has been judged yet.",
        facts=(*_standing(state), ("Next look", _when(state.next_look))),
        commands=(f"seatrial why {state.release_id}",),
        thread=state.release_id,
    )


def source_down(model: str, release_id: str, reason: str) -> Message:
    """Something outside does not answer; the release stays where it is and tries again."""
    return Message(
        kind="hold",
        title=f"{model}: the release waits, something it needs is down",
        body=f"{reason} Traffic stays as it is.",
        facts=(("Release", release_id),),
        commands=("seatrial doctor", f"seatrial why {release_id}"),
        thread=release_id,
    )


def page(incident: Wakes) -> Message:
    """Wake somebody: one message with what, how bad, and the command to run."""
    return Message(
        kind="page",
        title=f"{incident.severity} {incident.title}",
        body=f"{incident.reason} {incident.severity_reason}",
        facts=(
            ("Incident", incident.incident_id),
            ("Release", incident.release_id),
            ("Time to zero traffic", _seconds(incident.seconds_to_zero_traffic)),
            ("On call", incident.on_call),
            ("Runbook", incident.runbook),
        ),
        commands=(
            f"seatrial why {incident.release_id}",
            f"seatrial kill {incident.model} --reason WHY",
        ),
        thread=incident.release_id,
        severity=incident.severity,
    )


def deviation(model: str, why: str) -> Message:
    """What serves is not what the ledger says."""
    return Message(
        kind="page",
        title=f"{model} does not serve what was released",
        body=why,
        commands=("seatrial status", "seatrial doctor"),
        thread=model,
    )


def rollback_done(state: Release, exposed_requests: int | None) -> Message:
    """The candidate is out: why, how fast, and how many requests it answered."""
    why = state.containment
    finding = why.finding.value if why and why.finding else "stopped by a person"
    exposed = "not known" if exposed_requests is None else f"{exposed_requests:,}"
    return Message(
        kind="rollback",
        title=f"{_who(state)} rolled back at {_place(state)}",
        body=why.reason if why else "",
        facts=(
            ("Release", state.release_id),
            ("Finding", finding),
            ("Requests it answered", exposed),
            ("Time to zero traffic", _seconds(state.seconds_to_zero_traffic)),
        ),
        commands=(f"seatrial why {state.release_id}",),
        thread=state.release_id,
    )


def release_complete(state: Release) -> Message:
    """The release is closed, however it ended."""
    end = state.closing
    facts: Facts = (("Release", state.release_id),)
    if end is not None:
        facts += (
            ("Outcome", end.outcome.value),
            ("Last step", end.stage),
            ("Requests it answered", f"{end.exposed_requests:,}"),
        )
        if end.seconds_to_zero_traffic is not None:
            facts += (("Time to zero traffic", _seconds(end.seconds_to_zero_traffic)),)
        facts += (("Documents", f"documents/{state.release_id} in the home"),)
    return Message(
        kind="complete",
        title=f"{_who(state)} {_ENDED[end.outcome] if end else 'is not closed yet'}",
        body=end.reason if end else "",
        facts=facts,
        commands=(f"seatrial why {state.release_id}",),
        thread=state.release_id,
    )


def _who(state: Release) -> str:
    return f"{state.model} v{state.version}"


def _place(state: Release) -> str:
    return state.step.name if state.step else "opening"


def _standing(state: Release) -> Facts:
    weight, mirror = (state.plan.weight_bp, state.plan.mirror) if state.plan else (0, False)
    share = f"{weight / 100:g} %" + (", mirrored" if mirror else "")
    return (("Release", state.release_id), ("Candidate's share", share))


def _when(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else "not set"


def _seconds(seconds: float | None) -> str:
    return "it had no traffic, or nobody measured it" if seconds is None else f"{seconds:.1f} s"
