"""What a release tells people, in words: what happened, how bad, what to do.

Each builder reads the folded release and makes a ``Message``; ``layout.blocks`` turns it into
Slack's Block Kit. ``tasks/notify/alarm.py`` words what people are called for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from policies.lifecycle import Release
from policies.vocabulary import ApprovalRequest, Message, Outcome, Stage, Step
from tasks.notify.words import (
    brief,
    counted,
    owner,
    percent,
    place,
    rules_of,
    share,
    took,
    when,
    who,
)

Facts = tuple[tuple[str, str], ...]
WAKES = ("SEV1", "SEV2")  # what is less bad is read in the morning
SHOWN_ROLES = 2  # more would fill the screen: then one command stands for all of them


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


_MEANS: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.STAGING: "The candidate is tried on recorded traffic; no user meets it.",
        Stage.SHADOW: "The candidate scores every request too; no user gets its answers.",
        Stage.FULL: "The candidate answers every request.",
        Stage.SOAK: "The candidate answers every request, and is watched while late labels arrive.",
    }
)
_ENDED: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        Outcome.RELEASED: ("is the champion now", "Nothing is left to do."),
        Outcome.ROLLED_BACK: ("was rolled back", "No request reaches it any more."),
        Outcome.REFUSED: ("was refused", "The champion stays. Register a mended version."),
        Outcome.HELD: (
            "was withdrawn without proof either way",
            "The champion stays. A new release may gather more evidence.",
        ),
        Outcome.ABORTED: ("was aborted", "The champion stays."),
    }
)


def stage_change(state: Release, before: Step | None) -> Message:
    """A step has begun and its traffic was observed on every replica."""
    came = f"{before.name} passed. " if before and before != state.step else ""
    facts: Facts = (("Next look", when(state.next_look)), ("Release", state.release_id))
    return Message(
        kind="stage",
        title=f"{who(state)}: {place(state)}",
        body=f"{came}{_means(state.step)}",
        facts=facts if came else (*facts, *_begun(state)),
        commands=(f"seatrial why {state.release_id}",),
        thread=state.release_id,
    )


def _means(step: Step | None) -> str:
    if step is None:
        return "The release begins."
    return _MEANS.get(
        step.stage, f"The candidate answers {percent(step.weight_bp)} of the requests."
    )


def _begun(state: Release) -> Facts:
    rules = rules_of(state)
    if rules is None:
        return ()
    return (("Asked for by", state.requester), ("Policy", f"{rules.policy}, tier {rules.tier}"))


def approval_wanted(state: Release, request: ApprovalRequest, link: str = "") -> Message:
    """People are asked to sign; the evidence lies behind the link and the command."""
    wanted = ", ".join(f"{count} × {role}" for role, count in sorted(request.roles.items()))
    verdict = brief(state.verdict.reason) if state.verdict else "Nothing has been judged yet."
    excluded = " and ".join(dict.fromkeys(x for x in (request.requester, request.trainer) if x))
    roles = sorted(request.roles) if len(request.roles) <= SHOWN_ROLES else ["ROLE"]
    return Message(
        kind="approval",
        title=f"{who(state)}: sign-off wanted for {request.gate}",
        body=f"{_opens(state, request.gate)}{verdict}",
        to=tuple(sorted(request.roles)),
        commands=tuple(
            f"seatrial approve {request.request_id} --as NAME --role {role} --key KEY"
            for role in roles
        ),
        links=(("Evidence and form", link),) if link else (),
        facts=(
            ("Who must sign", wanted),
            ("May not sign", excluded),
            ("Expires", when(request.expires_at)),
            ("Release", request.release_id),
        ),
        thread=request.release_id,
    )


def _opens(state: Release, gate: str) -> str:
    """What a signature sets in motion: no evidence says that."""
    rules = rules_of(state)
    ahead = next((s for s in rules.steps() if s.stage.value == gate), None) if rules else None
    if ahead is None or ahead.weight_bp == 0:
        return ""
    return f"Once signed, the candidate answers {percent(ahead.weight_bp)} of the requests. "


def hold(state: Release) -> Message:
    """Something a person has to mend keeps the release from being judged."""
    verdict = state.verdict
    finding = f": {verdict.finding.value}" if verdict else ""
    reason = brief(verdict.reason) if verdict else "Nothing has been judged yet."
    return Message(
        kind="hold",
        title=f"{who(state)} holds at {place(state)}{finding}",
        body=f"{reason} Traffic stays as it is.",
        to=owner(state),
        commands=("seatrial doctor", f"seatrial why {state.release_id}"),
        facts=(
            ("Candidate's share", share(state)),
            ("Next look", when(state.next_look)),
            ("Release", state.release_id),
        ),
        thread=state.release_id,
    )


def source_down(name: str, release_id: str, reason: str) -> Message:
    """Something outside does not answer; the release stays where it is and tries again."""
    return Message(
        kind="hold",
        title=f"{name} waits: something it needs is down",
        body=f"{brief(reason)} Traffic stays as it is; it goes on by itself once that is back.",
        commands=("seatrial doctor", f"seatrial why {release_id}"),
        facts=(("Release", release_id),),
        thread=release_id,
    )


def page(incident: Wakes) -> Message:
    """One message with what, how bad, and the two commands to run.

    Wakes people for SEV1 and SEV2; anything less is told, not called.
    """
    seconds = incident.seconds_to_zero_traffic
    out = ""
    if seconds is not None:
        out = f"No request reaches it any more, since {seconds:.1f} s after the decision."
    why, bad = f"Why: {brief(incident.reason)}", f"How bad: {incident.severity_reason}"
    wakes = incident.severity in WAKES
    kill = f"seatrial kill {incident.model} --reason WHY  # Users still get wrong answers"
    return Message(
        kind="page" if wakes else "incident",
        title=f"{incident.severity} {incident.title}",
        body="\n".join(line for line in (out, why, bad) if line),
        to=(incident.on_call,) if wakes else (),
        commands=(
            f"seatrial why {incident.release_id}  # What happened",
            *((kill,) if wakes else ()),
        ),
        links=(("Runbook", incident.runbook),),
        facts=(
            ("Incident", incident.incident_id),
            ("Release", incident.release_id),
            *(() if wakes else (("On call", incident.on_call),)),
        ),
        thread=incident.release_id,
        severity=incident.severity,
    )


def rollback_done(state: Release) -> Message:
    """The last word on a release that was rolled back: why, how fast, whom it reached."""
    why, end = state.containment, state.closing
    finding = why.finding.value if why and why.finding else "stopped by a person"
    return Message(
        kind="rollback",
        title=f"{who(state)} rolled back at {place(state)}",
        body=f"{brief(why.reason) if why else 'Nothing says why.'} "
        "No request reaches it any more. The incident's post-mortem is drafted.",
        commands=(f"seatrial why {state.release_id}",),
        facts=(
            ("Finding", finding),
            ("Requests it answered", counted(end.exposed_requests if end else None)),
            ("Time to zero traffic", took(state.seconds_to_zero_traffic)),
            ("Documents", f"documents/{state.release_id} in the home"),
            ("Release", state.release_id),
        ),
        thread=state.release_id,
    )


def release_complete(state: Release) -> Message:
    """The release is closed, however it ended."""
    end = state.closing
    if end is None:
        return Message(
            kind="complete",
            title=f"{who(state)} is not closed yet",
            body="",
            commands=(f"seatrial why {state.release_id}",),
            thread=state.release_id,
        )
    if end.outcome is Outcome.ROLLED_BACK:
        return rollback_done(state)
    ended, next_step = _ENDED[end.outcome]
    facts: Facts = (
        ("Last step", end.stage),
        ("Requests it answered", counted(end.exposed_requests)),
    )
    if end.seconds_to_zero_traffic is not None:
        facts += (("Time to zero traffic", took(end.seconds_to_zero_traffic)),)
    return Message(
        kind="complete",
        title=f"{who(state)} {ended}",
        body=f"{brief(end.reason)} {next_step}".strip(),
        commands=(f"seatrial why {state.release_id}",),
        facts=(
            *facts,
            ("Documents", f"documents/{state.release_id} in the home"),
            ("Release", state.release_id),
        ),
        thread=state.release_id,
    )
