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
| anything else                        | leave it                                           |
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from policies.lifecycle import Release
from policies.vocabulary import Lease, Value

Act = Literal["leave", "wake", "adopt", "abort"]


class Seen(Value):
    """What the orchestrator says of the run of a release; ``None`` state: it knows none."""

    state: str | None


def watch_act(
    release: Release, seen: Seen, lease: Lease | None, *, now: datetime, wall: datetime
) -> Act:
    """``now``: the world's time (for due looks); ``wall``: the wall clock (for leases)."""
    lapsed = lease is None or lease.expires_at < wall
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
    if seen.state == "PAUSED":
        due = release.next_look is not None and now >= release.next_look
        return "wake" if due or release.stop is not None or release.votes else "leave"
    return "leave"
