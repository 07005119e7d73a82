"""What people are called for although no candidate did harm: a pause, a fault, a deviation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from policies.between import Looked
from policies.lifecycle import Release
from policies.vocabulary import Message
from policies.watching import Alarm
from tasks.notify.words import brief, on_call, owner, place, runbook, share, when, who


def unconfirmed(state: Release, reason: str) -> Message:
    """The switch has moved, but not every serving process says so: somebody must look now."""
    return Message(
        kind="page",
        title=f"{who(state)}: containment is not confirmed",
        body=f"{brief(reason)} Users may still reach the candidate through a process that is "
        "silent.",
        to=on_call(state),
        commands=(
            f"seatrial kill {state.model} --reason WHY  # Take the model out of service",
            "seatrial doctor  # Which process is silent",
        ),
        links=runbook(state),
        facts=(("Candidate's share", share(state)), ("Release", state.release_id)),
        thread=state.release_id,
    )


def stuck(state: Release, reason: str) -> Message:
    """Something is broken that waiting does not mend. The release stays where it is."""
    return Message(
        kind="page",
        title=f"{who(state)} cannot go on by itself",
        body=f"{brief(reason)} Traffic stays as it is; it tries again every few minutes.",
        to=on_call(state),
        commands=(
            f"seatrial why {state.release_id}  # What it was doing",
            f"seatrial rollback {state.release_id} --reason WHY  # End it, back to the champion",
        ),
        links=runbook(state),
        facts=(("Candidate's share", share(state)), ("Release", state.release_id)),
        thread=state.release_id,
    )


def paused(state: Release, found: Alarm) -> Message:
    """A pause that has lasted too long: told to whoever can end it; escalated, to on-call too."""
    if found.about == "people":
        return _waits_for_people(state, found)
    if found.about == "proof":
        return _holds(state, found)
    return _unattended(state, found)


def _waits_for_people(state: Release, found: Alarm) -> Message:
    request = state.request
    gate, number = (request.gate, request.request_id) if request else ("its next step", "REQUEST")
    roles = tuple(text.split(" × ")[-1] for text in found.missing)
    missing = ", ".join(found.missing) or "nothing but a wake"
    facts = (
        ("Missing", missing),
        ("Since", when(found.since)),
        ("Expires", when(request.expires_at if request else None)),
        ("Release", state.release_id),
    )
    role = roles[0] if len(roles) == 1 else "ROLE"
    return _called(
        state,
        found,
        title=f"{who(state)} waits for sign-offs to {gate}",
        body=found.why,
        to=roles,
        commands=(
            f"seatrial approve {number} --as NAME --role {role} --key KEY  # Sign",
            f"seatrial why {state.release_id}  # The evidence",
        ),
        facts=facts,
    )


def _holds(state: Release, found: Alarm) -> Message:
    missing = "\n".join(f"• {brief(each, 160)}" for each in found.missing)
    return _called(
        state,
        found,
        title=f"{who(state)} holds at {place(state)} past its time",
        body=f"{found.why}\n{missing}" if missing else found.why,
        to=owner(state),
        commands=(
            f"seatrial why {state.release_id}  # The evidence so far",
            f"seatrial rollback {state.release_id} --reason WHY  # Give it up",
        ),
        facts=(
            ("Since", when(found.since)),
            ("Candidate's share", share(state)),
            ("Next look", when(state.next_look)),
            ("Release", state.release_id),
        ),
    )


def _unattended(state: Release, found: Alarm) -> Message:
    return _called(
        state,
        found,
        title=f"{who(state)} stands unattended at {place(state)}",
        body=f"{found.why} Traffic stays as it is.",
        to=on_call(state),
        commands=(
            "seatrial doctor  # What has stopped",
            f"seatrial rollback {state.release_id} --reason WHY  # End it, back to the champion",
        ),
        facts=(("Candidate's share", share(state)), ("Release", state.release_id)),
        wakes=True,
    )


def _called(
    state: Release,
    found: Alarm,
    *,
    title: str,
    body: str,
    to: tuple[str, ...],
    commands: tuple[str, ...],
    facts: tuple[tuple[str, str], ...],
    wakes: bool = False,
) -> Message:
    if found.escalated:
        title, body = f"Still: {title}", f"{body}\nNobody has acted since it was told."
        to = tuple(dict.fromkeys((*on_call(state), *to, *owner(state))))
    return Message(
        kind="page" if wakes or found.escalated else "pause",
        title=title,
        body=body,
        to=to,
        commands=commands,
        links=runbook(state) if wakes or found.escalated else (),
        facts=facts,
        thread=state.release_id,
    )


def deviation(
    model: str, why: str, to: tuple[str, ...] = (), links: tuple[tuple[str, str], ...] = ()
) -> Message:
    """What serves is not what the ledger says."""
    return Message(
        kind="page",
        title=f"{model} does not serve what was released",
        body=brief(why),
        to=to,
        commands=(
            "seatrial status  # What serves now",
            f"seatrial kill {model} --reason WHY  # Take the model out of service",
        ),
        links=links,
        facts=(("Model", model),),
        thread=model,
    )


def between_releases(
    model: str, found: Sequence[Looked], to: tuple[str, ...], at: datetime
) -> Message:
    """What is news in the daily look at a model that nobody is releasing."""
    lines = [f"• {_short(look)}{_because(look)}" for look in found]
    calm = all(look.status == "well" for look in found)
    return Message(
        kind="between",
        title=f"{model} between releases: {', '.join(_short(look) for look in found)}",
        body="\n".join(lines) + ("" if calm else "\nIt is told once, and again when it is well."),
        to=() if calm else to,
        commands=(
            f"seatrial why {model}  # Everything on record",
            "seatrial doctor  # What does not answer",
        ),
        facts=(("Looked at", when(at)),),
        thread=model,
    )


class Silent(Protocol):
    """What people have to know of an incident that is suspected."""

    @property
    def incident_id(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def on_call(self) -> str: ...
    @property
    def runbook(self) -> str: ...


def suspected(incident: Silent, to: tuple[str, ...]) -> Message:
    """Nothing failed and no label is wrong yet: somebody looks before users notice."""
    model = incident.model
    return Message(
        kind="incident",
        title=f"{incident.severity} (suspected) {incident.title}",
        body=f"{brief(incident.reason)}\nNothing was moved. Look at what the model is fed.",
        to=to,
        commands=(
            f"seatrial why {model}  # Everything on record",
            f"seatrial kill {model} --reason WHY  # If its answers are wrong",
        ),
        links=(("Runbook", incident.runbook),),
        facts=(("Incident", incident.incident_id), ("On call", incident.on_call)),
        thread=model,
        severity=incident.severity,
    )


_STATUS = {
    "well": "well again",
    "found": "not well",
    "suspected": "not well",
    "not observed": "not observed",
}


def _short(look: Looked) -> str:
    return f"{look.about} {_STATUS[look.status]}"


def _because(look: Looked) -> str:
    return f": {brief(look.why, 200)}" if look.why else ""


def review_due(
    model: str, why: str, counts: tuple[tuple[str, str], ...], packet: str, to: tuple[str, ...]
) -> Message:
    """The model's risk has to be judged anew; the packet says what has changed since."""
    return Message(
        kind="review",
        title=f"{model}: its risk review is due",
        body=f"{why} Read the packet, decide whether tier and policy still fit, and say so.",
        to=to,
        commands=(f"seatrial review {model} --as NAME --reason WHY",),
        facts=(*counts, ("Packet", packet)),
        thread=model,
    )


def trial(sender: str, at: datetime) -> Message:
    """What `seatrial notify test` sends."""
    return Message(
        kind="test",
        title="A test of Seatrial's messages",
        body="Nothing has happened, and nothing is to be done. Releases are told here.",
        facts=(("Sent by", sender), ("At", when(at))),
    )
