"""Sign-offs as nodes on the release graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from policies.approvals import Standing, standing
from policies.errors import ApprovalError
from policies.lifecycle import Release
from policies.vocabulary import ApprovalRequest, SignOff
from tasks.approval.sign_off import check
from tasks.connections import current
from tasks.node import node


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


def _read(answer: str) -> SignOff | None:
    try:
        written = json.loads(answer).get("signed_decision") or ""
        return SignOff.model_validate_json(written) if written.strip() else None
    except (ValueError, AttributeError, ValidationError):
        return None


@node("count sign-offs", "count the sign-offs")
def count_votes(state: Release, now: datetime) -> Standing:
    """Every sign-off is verified again before it counts: keys and roles may have changed."""
    if state.request is None:
        raise ApprovalError("Nothing has been asked.", advice="Ask for sign-offs first.")
    valid = []
    for vote in state.votes:
        try:
            valid.append(check(vote, state.request, current().directory, now))
        except ApprovalError:
            continue
    return standing(state.request, valid, now)
