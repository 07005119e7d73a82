"""The evidence packet an approver reads before signing, short enough for a narrow form."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from policies.schema import ReleasePolicy
from policies.vocabulary import ApprovalRequest, Entry, Stage, Step
from tasks.documents.looks import Look, last_look_by_step, look_of, release_of, staging_look
from tasks.documents.tables import cell, check_rows, effect, markdown_table, number


def approval_packet(request: ApprovalRequest, entries: Sequence[Entry], notice: str = "") -> str:
    """Markdown from one release's entries: what is asked, on what it stands, how to sign.

    ``notice``: what came of the form that was sent before this one.
    """
    state, _ = release_of(entries)
    parts = [
        f"# {cell(request.model)} v{cell(request.version)}: open {cell(request.gate)}?",
        f"> **{cell(notice)}**" if notice else "",
        _evidence(request, entries),
        _opens(state.policy, request.gate),
        _staging(entries),
        _signers(request, entries),
        _digests(request),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _evidence(request: ApprovalRequest, entries: Sequence[Entry]) -> str:
    """The look whose digest is signed, found by that digest and no other way."""
    look = next((x for x in _looks(entries) if x.evidence_digest == request.evidence_digest), None)
    if look is None:
        return (
            "**Do not sign: the evidence with the digest below is not on the ledger.** "
            "Run `seatrial doctor`: it verifies the ledger's chain. Tell the release's owner."
        )
    found = {item.name: item.finding.value for item in look.verdict.judged}
    rows = [
        [
            item.name,
            effect(item),
            number(item.margin),
            found.get(item.name, item.status),
            f"{item.n:,} / {item.clusters} {item.unit}".strip(),
        ]
        for item in look.evidence
        if item.kind == "sequential"
    ]
    columns = ("guardrail", "effect (interval)", "margin", "finding", "rows / seen in")
    sentence = (
        f"**{look.verdict.decision.value} at {cell(look.step)}.** {cell(look.verdict.reason)}"
    )
    other = [item for item in look.evidence if item.kind == "check"]
    checks = "" if look.stage == Stage.STAGING else _checks_sentence(len(other), look)
    note = "Effect: candidate minus champion, greater is worse." if rows else ""
    return "\n\n".join(
        part for part in (sentence, markdown_table(columns, rows), note, checks) if part
    )


def _looks(entries: Sequence[Entry]) -> list[Look]:
    """Newest first."""
    looked = [entry for entry in entries if entry.kind == "looked"]
    return [look_of(entry.payload, entry.at, entry.seq) for entry in reversed(looked)]


def _checks_sentence(count: int, look: Look) -> str:
    if not count:
        return ""
    names = {item.name for item in look.evidence if item.kind == "check"}
    bad = [j for j in look.verdict.judged if j.name in names and j.finding.value != "safe"]
    if bad:
        return "\n".join(f"- {cell(item.reason)}" for item in bad)
    return f"{count} further checks hold: {', '.join(cell(name) for name in sorted(names))}."


def _opens(policy: ReleasePolicy, gate: str) -> str:
    """Blast radius: everything that follows without asking anybody again."""
    steps = opened_by(policy, gate)
    if not steps:
        return f"**What opens:** the policy knows no step {cell(gate)}. Do not sign."
    most = max(step.weight_bp for step in steps)
    lines = [
        f"- {step.name}: at least {_span(policy.rules_for(step).min_days)}, and only while "
        "the evidence holds"
        for step in steps
    ]
    return (
        f"## What your signature opens\n\nUp to **{most / 100:g} %** of users reach the candidate "
        "before anybody is asked again:\n\n" + "\n".join(lines)
    )


def _span(days: float) -> str:
    number, unit = (days, "day") if days >= 1 else (days * 24, "hour")
    return f"{number:g} {unit}" + ("" if number == 1 else "s")


def opened_by(policy: ReleasePolicy, gate: str) -> tuple[Step, ...]:
    """The steps from the gate up to the next stage that needs signatures of its own."""
    steps = policy.steps()
    first = next((i for i, step in enumerate(steps) if gate in (step.stage, step.name)), None)
    if first is None:
        return ()
    stage = steps[first].stage
    return tuple(
        takewhile(
            lambda step: step.stage is stage or policy.approval_for(step.stage) is None,
            steps[first:],
        )
    )


def _staging(entries: Sequence[Entry]) -> str:
    look = staging_look(last_look_by_step(entries))
    if look is None:
        return "## Staging\n\n**No staging trial is on the ledger.**"
    rows = [row[:4] for row in check_rows(look.evidence, look.verdict.judged)]
    table = markdown_table(("check", "measured", "at most", "finding"), rows)
    return f"## Staging: {look.verdict.decision.value}\n\n{table or 'Nothing was checked.'}"


def _signers(request: ApprovalRequest, entries: Sequence[Entry]) -> str:
    roles = ", ".join(f"{count} × {cell(role)}" for role, count in sorted(request.roles.items()))
    barred = sorted({request.requester, request.trainer or request.requester})
    votes = [
        f"- {cell(vote['person'])} ({cell(vote['role'])}): {cell(vote['decision'])}"
        for entry in entries
        if entry.kind == "vote"
        and (vote := entry.payload["sign_off"])["request_id"] == request.request_id
    ]
    commands = "\n".join(
        f"seatrial approve {request.request_id} --as NAME --role {role} --key KEY"
        for role in sorted(request.roles)
    )
    return (
        f"## Who signs\n\n{roles}, by {request.expires_at:%Y-%m-%d %H:%M} UTC. "
        f"Not {cell(' or '.join(barred))}: they asked for or trained it.\n\n"
        + ("\n".join(votes) + "\n\n" if votes else "")
        + f"```\n{commands}\n```"
    )


def _digests(request: ApprovalRequest) -> str:
    return (
        "## What exactly is signed\n\n"
        f"- request `{request.request_id}` of release `{request.release_id}`\n"
        f"- artefact `{request.artefact_digest}`\n"
        f"- evidence `{request.evidence_digest}`\n"
        f"- policy `{request.policy_digest}`\n\n"
        "A signature binds these and nothing newer: the evidence is that of the look that asked. "
        "The release is looked at again while it waits. A look that no longer passes voids this "
        "request with its signatures, and a grant whose step has not begun; one that passes "
        "again does not."
    )
