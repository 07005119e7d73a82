"""The release in one sentence: how it ended, or where it stands and what it waits for."""

from __future__ import annotations

from policies.lifecycle import Closing, Phase, Release
from policies.vocabulary import Decision, Finding, Outcome, Stage
from tasks.documents.page import words


def story(state: Release, ended: str, days: str) -> str:
    """``ended``: the day of the last entry; ``days``: how long it took, both in words."""
    who = f"{state.model} v{state.version}"
    if state.closing is not None:
        return f"{who} {_ending(state, state.closing, ended, days)}"
    return f"{who} {_standing(state)}"


def _ending(state: Release, end: Closing, ended: str, days: str) -> str:
    why, met = words.first_sentence(end.reason).split("; ")[0], _met(end)
    if end.outcome is Outcome.RELEASED:
        return f"was released on {ended} after {days}; on its way there {met}."
    if end.outcome is Outcome.REFUSED:
        by = _refuser(state)
        return f"was refused {by or f'in {end.stage}'} on {ended}{'' if by else f': {why}'}; {met}."
    if end.outcome is Outcome.HELD:
        return f"was withdrawn at {end.stage} on {ended}, without proof either way: {why}; {met}."
    word = "rolled back" if end.outcome is Outcome.ROLLED_BACK else "aborted"
    return f"was {word} at {end.stage} on {ended}: {why}; {met}{_zero(end)}."


def _met(end: Closing) -> str:
    if not end.exposed_requests:
        return "no user met it"
    return f"it answered {words.counted(end.exposed_requests, 'request')}"


def _zero(end: Closing) -> str:
    seconds = end.seconds_to_zero_traffic
    return "" if seconds is None else f", and none from {seconds:.1f} s after the decision on"


def _refuser(state: Release) -> str:
    refusal = next((vote for vote in state.votes if vote.decision == "refuse"), None)
    if refusal is None:
        return ""
    comment = f" (“{words.first_sentence(refusal.comment)}”)" if refusal.comment else ""
    return f"by {refusal.person} as {refusal.role}{comment}"


def _standing(state: Release) -> str:
    where = state.step.name if state.step else "opening"
    if state.containment is not None:
        why = words.first_sentence(state.containment.reason)
        return f"is being taken out of traffic at {where}: {why}."
    if state.stop is not None:
        return f"has been asked to stop at {where}: {words.first_sentence(state.stop.reason)}."
    if state.phase in (Phase.PROMOTING, Phase.PROMOTED):
        return "has passed every step and becomes the champion."
    if state.phase is Phase.OPENED:
        return "has been opened and has not yet entered a step."
    if state.phase is Phase.ENTERING:
        return f"is entering {where}: not every serving process reports its traffic yet."
    if state.request is not None:
        return f"stands at {where} and waits for people: {asked(state)}."
    return f"stands at {where}{_waits(state)}"


def asked(state: Release) -> str:
    """Whose signature is missing, for what, until when."""
    request = state.request
    if request is None:
        return ""
    roles = " and ".join(f"{count} × {role}" for role, count in sorted(request.roles.items()))
    until = words.moment(request.expires_at)
    signed = [f"{vote.person} {_decided(vote.decision)}" for vote in state.votes]
    so_far = f"; so far {', '.join(signed)}" if signed else "; nobody has signed yet"
    return f"{roles} must sign before {request.gate} opens, until {until} UTC{so_far}"


def _decided(decision: str) -> str:
    return "has refused" if decision == "refuse" else "has signed"


def _waits(state: Release) -> str:
    verdict = state.verdict
    due = f", waits for a look on {words.moment(state.next_look)} UTC" if state.next_look else ""
    if verdict is None:
        return f"{due}; it has not been looked at there yet."
    why = words.first_sentence(verdict.reason)
    if verdict.decision is Decision.PASS:
        return f" and has passed its last look there{due}."
    if verdict.decision is Decision.ROLL_BACK:
        ends = "is refused" if state.step and state.step.stage is Stage.STAGING else "rolls back"
        return f" and {ends}: {why}."
    mends = (Finding.SOURCE_DOWN, Finding.INVALID)
    help_ = "; somebody has to mend it" if verdict.finding in mends else ""
    because = "because of" if ":" in why else "because"
    return f"{due}, {because} {words.first_sentence(verdict.reason, sentences=2)}{help_}."
