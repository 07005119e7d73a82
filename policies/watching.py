"""What the watcher does about a live release, from the state of its run alone.

| run                                  | what follows                                       |
|--------------------------------------|----------------------------------------------------|
| gone from the orchestrator           | adopt: a new run takes the release over            |
| crashed                              | wake: the same run starts again                    |
| failed                               | adopt, once the lease has run out                  |
| cancelled by a person                | abort: traffic back to the champion, on the record |
| completed, though the release lives  | adopt                                              |
| running, but its lease has run out   | wake: a zombie is fenced by the new lease          |
| paused for people who have answered  | wake                                               |
| paused, and a look is due            | wake                                               |
| parked, and somebody asked to stop   | wake                                               |
| due, but nobody has held it for long | wake                                               |
| anything else                        | leave it                                           |

The watcher runs in the orchestrator. ``alarm`` is asked outside of it, so that somebody is
called when the orchestrator itself, or its watcher, is what has stopped.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from policies.lifecycle import Phase, Release
from policies.vocabulary import Lease, Value

Act = Literal["leave", "wake", "adopt", "abort"]
AT_WORK = frozenset(Phase) - {Phase.UNOPENED, Phase.STANDING, Phase.ASKING, Phase.CLOSED}
WATCHER_TURN = timedelta(minutes=2)  # the watcher comes every minute: it may mend a lost lease


class Seen(Value):
    """What the orchestrator says of the run of a release; ``None`` state: it knows none."""

    state: str | None


def watch_act(
    release: Release, seen: Seen, lease: Lease | None, *, now: datetime, wall: datetime
) -> Act:
    """``now``: the world's time (for due looks); ``wall``: the wall clock (for leases)."""
    lapsed = lease is None or lease.expires_at < wall
    due = release.next_look is not None and now >= release.next_look
    if seen.state is None or seen.state == "COMPLETED":
        return "adopt"
    if seen.state == "CRASHED":
        return "wake"
    if seen.state in ("CANCELLED", "CANCELLING"):
        return "abort"
    if seen.state == "FAILED":
        return "adopt" if lapsed else "leave"
    if seen.state == "RUNNING":
        return "wake" if lapsed else "leave"
    if seen.state in ("SCHEDULED", "PENDING"):
        # A parked run would sleep until its next look; one stuck before it started, for ever.
        parked = seen.state == "SCHEDULED"
        return "wake" if (parked and release.stop is not None) or (lapsed and due) else "leave"
    if seen.state == "PAUSED":
        return "wake" if due or release.stop is not None or release.votes else "leave"
    return "leave"


class Alarm(Value):
    """Why somebody must look at a release that nobody is at work on."""

    about: Literal["overdue", "lost"]
    why: str


def alarm(
    release: Release, lease: Lease | None, *, due_since: datetime | None, wall: datetime
) -> Alarm | None:
    """``due_since``: since when, on the wall clock, the next look has been due, if it is.

    A release between two looks needs no process, so no lease either. One that was asked to stop,
    or stands between an intent and its outcome, does.
    """
    if not release.is_live:
        return None
    if release.phase in AT_WORK or release.stop is not None:
        if lease is not None and wall - lease.expires_at <= WATCHER_TURN:
            return None
        doing = "has been asked to stop" if release.stop else f"is {release.phase.value}"
        return Alarm(about="lost", why=f"It {doing}, and no process is at work on it.")
    allowed = timedelta(minutes=release.policy.pause_alert_minutes)
    if due_since is None or wall - due_since <= allowed:
        return None
    late = int((wall - due_since).total_seconds() // 60)
    return Alarm(about="overdue", why=f"Its look has been due for {late} minutes.")
