"""Sign-offs as nodes on the release graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from policies.approvals import Standing
from policies.errors import ApprovalError
from policies.lifecycle import Release
from policies.schema import ReleasePolicy
from policies.vocabulary import ApprovalRequest, SignOff
from tasks.approval.counting import counted, missing_from
from tasks.approval.involved import refuse_unknown_people
from tasks.approval.sign_off import check
from tasks.connections import current
from tasks.node import node

_EMPTY = "Nothing was pasted, so the votes were counted again: it is still waiting."
_UNREAD = (
    "What was pasted is no signed decision: it did not count. Paste the whole line that "
    "seatrial approve prints with --print."
)


def read_mail(
    request: ApprovalRequest, answers: Sequence[str], counted: Sequence[SignOff], now: datetime
) -> list[SignOff]:
    """Signed decisions that came through Prefect's form and are not on the ledger yet.

    What is not a sign-off, or does not verify, is left out: anybody can write into the form.
    """
    found = []
    for answer in answers:
        vote = _read(answer)
        if vote is None or any(vote.signature == other.signature for other in counted):
            continue
        try:
            found.append(check(vote, request, current().directory, now))
        except ApprovalError:
            continue
    return found


def why_not_counted(
    request: ApprovalRequest, answer: str, counted: Sequence[SignOff], now: datetime
) -> str:
    """What a form's answer lacked, for whoever sent it; empty when it counted."""
    vote = _read(answer)
    if vote is None:
        return _UNREAD if _written(answer) else _EMPTY
    if any(vote.signature == other.signature for other in counted):
        return ""
    try:
        check(vote, request, current().directory, now)
    except ApprovalError as error:
        return f"What was pasted did not count. {error}"
    return ""


def _read(answer: str) -> SignOff | None:
    try:
        written = _written(answer)
        return SignOff.model_validate_json(written) if written else None
    except (ValueError, ValidationError):
        return None


def _written(answer: str) -> str:
    try:
        return str(json.loads(answer).get("signed_decision") or "").strip()
    except (ValueError, AttributeError):
        return ""


@node("check people", "does the directory know who asks and who trained?")
def check_people(policy: ReleasePolicy, requester: str, trainer: str | None) -> None:
    if policy.approvals:
        refuse_unknown_people(current().directory, requester, trainer)


@node("count sign-offs", "count the sign-offs")
def count_votes(state: Release, now: datetime) -> Standing:
    """Every sign-off is verified again before it counts: keys and roles may have changed."""
    return counted(state, current().directory, now)


def missing_sign_offs(state: Release) -> tuple[str, ...]:
    """Asked every minute, so no node of its own."""
    return missing_from(state, current().directory)
