"""Which sign-offs of a request count now, and which are still missing."""

from __future__ import annotations

from datetime import datetime, timedelta

from policies.approvals import Standing, standing
from policies.errors import ApprovalError, SeatrialError
from policies.lifecycle import Release
from tasks.approval.ports import Directory
from tasks.approval.sign_off import check


def counted(state: Release, directory: Directory, now: datetime) -> Standing:
    """Every sign-off is verified again before it counts: keys and roles may have changed."""
    if state.request is None:
        raise ApprovalError("Nothing has been asked.", advice="Ask for sign-offs first.")
    # A vote was proven to be in time when it was cast; only keys and roles can have changed.
    in_time = min(now, state.request.expires_at - timedelta(microseconds=1))
    valid = []
    for vote in state.votes:
        try:
            valid.append(check(vote, state.request, directory, in_time))
        except ApprovalError:
            continue
    return standing(state.request, valid, now)


def missing_from(state: Release, directory: Directory) -> tuple[str, ...]:
    """``1 × manager`` a role. While nobody can be verified, everybody is missing."""
    if state.request is None:
        return ()
    try:
        return counted(state, directory, state.request.expires_at).missing
    except SeatrialError:
        return tuple(f"{count} × {role}" for role, count in sorted(state.request.roles.items()))
