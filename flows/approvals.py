"""Asking people, waiting for them without a process, and counting only verified sign-offs."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Literal

from flows.forms import SignedDecision
from flows.messages import tell
from flows.pages import show_page
from policies.approvals import Standing
from policies.lifecycle import Move, Release
from policies.vocabulary import ApprovalRequest
from tasks.approval.task import count_votes, read_mail, why_not_counted
from tasks.documents.packet import approval_packet
from tasks.ledger.task import Log
from tasks.notify import message
from tasks.orchestrator.task import answer_of, run_page, suspend


def standing_now(
    log: Log, state: Release
) -> Literal["granted", "refused", "waiting", "expired"] | None:
    """Where the open request stands, after emptying the mailbox; grants it when it is due."""
    if state.request is None:
        return None
    answers = [a for key in sent_keys(log, state.request) if (a := answer_of(key)) is not None]
    for vote in read_mail(state.request, answers, state.votes, log.now()):
        log.fact("vote", {"sign_off": vote.plain()}, actor=vote.person)
    state = log.state()
    standing = count_votes(state, log.now())
    if standing.status == "granted":
        grant(log, state, standing)
    return standing.status


def grant(log: Log, state: Release, standing: Standing) -> None:
    """Record the grant, with who filled which place."""
    if state.request is None:
        return
    granted = {
        "request_id": state.request.request_id,
        "gate": state.request.gate,
        "sign_offs": [place.plain() for place in standing.filled],
    }
    log.move(state, "granted", granted)


def ask_people(log: Log, state: Release, move: Move) -> None:
    """Record the request with every digest it stands on, and tell the people who may sign."""
    ahead = move.step
    rule = state.policy.approval_for(ahead.stage) if ahead else None
    if rule is None or state.artefact is None or state.policy_digest is None:
        return
    now = log.now()
    request = ApprovalRequest.model_validate(
        {
            "request_id": f"req-{secrets.token_hex(4)}",
            "nonce": secrets.token_hex(16),
            "release_id": log.release_id,
            "gate": rule.gate.value,
            "model": state.model,
            "version": state.version,
            "artefact_digest": state.artefact.digest,
            "evidence_digest": state.evidence_digest,
            "policy_digest": state.policy_digest,
            "requester": state.requester,
            "trainer": state.artefact.trainer,
            "roles": dict(rule.roles),
            "asked_at": now,
            "expires_at": now + timedelta(hours=rule.expires_hours),
        }
    )
    state = log.move(state, "asked", {"request": request.plain()})
    tell(log, message.approval_wanted(state, request, run_page(state.run_id)))
    show_page(log)


def await_people(log: Log, state: Release, move: Move) -> None:
    """End this process until a vote, a form or the watcher wakes the run."""
    request = state.request
    if request is None:
        return
    wanted = message.approval_wanted(state, request, run_page(state.run_id))
    tell(log, wanted)  # again only if a crash swallowed it
    sent = sent_keys(log, request)
    last = answer_of(sent[-1]) if sent else None
    notice = "" if last is None else why_not_counted(request, last, state.votes, log.now())
    key = f"{request.nonce[:12]}-{len(sent) + 1}"
    log.fact("suspended", {"request_id": request.request_id, "key": key})
    form = SignedDecision.with_initial_data(
        description=approval_packet(request, log.entries(), notice)
    )
    suspend(form, key, "Sign-off wanted", f"{missing(request)} to open {request.gate}.")


def missing(request: ApprovalRequest) -> str:
    """What the run's page says while it waits."""
    roles = ", ".join(f"{count} × {role}" for role, count in sorted(request.roles.items()))
    return f"Asked on {request.request_id}: {roles}, by {request.expires_at:%Y-%m-%d %H:%M} UTC,"


def sent_keys(log: Log, request: ApprovalRequest) -> list[str]:
    """The forms this request was shown under. A key is never used twice."""
    return [
        str(entry.payload["key"])
        for entry in log.entries()
        if entry.kind == "suspended" and entry.payload["request_id"] == request.request_id
    ]
