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
called when the orchestrator itself, or its watcher, is what has stopped. ``pause`` is asked by
the watcher, and outside of it when the watcher has not told anybody in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from policies.lifecycle import Phase, Release
from policies.vocabulary import Decision, Entry, Finding, Lease, Value

Act = Literal["leave", "wake", "adopt", "abort"]
AT_WORK = frozenset(Phase) - {Phase.UNOPENED, Phase.STANDING, Phase.ASKING, Phase.CLOSED}
WATCHER_TURN = timedelta(minutes=2)  # the watcher comes every minute: it may mend a lost lease
ESCALATE_AFTER = 4  # times the allowed pause, without an act of anybody


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
    """Why somebody must look at a release, told once a situation and escalated once.

    ``people``: sign-offs are missing. ``proof``: its time at a step is over, and it holds.
    ``overdue`` and ``lost``: nobody is at work on it.
    """

    about: Literal["people", "proof", "overdue", "lost"]
    why: str
    after: int  # the entry with which the situation began
    since: datetime | None = None  # on the wall clock
    missing: tuple[str, ...] = ()  # sign-offs, or guardrails with what is known of them
    escalated: bool = False

    @property
    def mark(self) -> dict[str, object]:
        """What the ledger knows the situation by."""
        return {"about": self.about, "after": self.after}


def alarm(
    release: Release, lease: Lease | None, *, due_since: datetime | None, wall: datetime
) -> Alarm | None:
    """``due_since``: since when, on the wall clock, the next look has been due, if it is.

    A release between two looks needs no process, so no lease either. One that was asked to stop,
    or stands between an intent and its outcome, does.
    """
    if not release.is_live:
        return None
    if _needs_a_process(release):
        if lease is not None and wall - lease.expires_at <= WATCHER_TURN:
            return None
        doing = "has been asked to stop" if release.stop else f"is {release.phase.value}"
        why = f"It {doing}, and no process is at work on it."
        since = lease.expires_at if lease else None
        return Alarm(about="lost", why=why, after=release.last_move, since=since)
    if due_since is None or wall - due_since <= allowed_pause(release):
        return None
    why = f"Its look has been due for {_lasted(wall - due_since)}."
    return Alarm(about="overdue", why=why, after=release.last_move, since=due_since)


def pause(
    release: Release, entries: Sequence[Entry], *, missing: Sequence[str], wall: datetime
) -> Alarm | None:
    """A pause that only people can end, and that has lasted longer than the policy allows.

    Reckoned on the wall clock, on which people live. Sign-offs are due when they are asked for
    (``missing``: those nobody has given yet); proof is due at the first look after the step's
    least time, which is when it could have passed.
    """
    if not release.is_live or _needs_a_process(release):
        return None
    if release.request is not None:
        began = _asked(entries, release.request.request_id)
    elif release.verdict is not None and release.verdict.decision is Decision.HOLD:
        began = _held(release, entries)
    else:
        began = None
    since = began.recorded_at if began else None
    if began is None or since is None or wall - since <= allowed_pause(release):
        return None
    lasted = _lasted(wall - since)
    if release.request is not None:
        who = ", ".join(missing) or "nobody: its run has to wake"
        why = f"Asked {lasted} ago; still missing: {who}."
        found = Alarm(about="people", why=why, after=began.seq)
        return found.model_copy(update={"since": since, "missing": tuple(missing)})
    why = f"Its time here was over {lasted} ago, and it is not shown to be safe."
    judged = release.verdict.judged if release.verdict else ()
    waited_for = [j for j in judged if j.code != "reported_only"]
    open_ones = tuple(f"{j.name}: {j.reason}" for j in waited_for if j.finding is not Finding.SAFE)
    began_here = max(e.seq for e in entries if e.kind == "entered")
    return Alarm(about="proof", why=why, after=began_here, since=since, missing=open_ones)


def untold(
    release: Release, entries: Sequence[Entry], found: Alarm, wall: datetime
) -> Alarm | None:
    """The alarm as it has to be told now; ``None`` while nobody has to hear of it (again).

    It is escalated once, when nobody has acted on the release for four times the allowed pause
    since it was told.
    """
    told = [e for e in entries if e.kind == "notified" and found.mark.items() <= e.payload.items()]
    first = next((e.recorded_at for e in told if e.recorded_at), None)
    if first is None:
        return found
    if any(e.payload.get("escalated") for e in told):
        return None
    acts = [e.recorded_at for e in entries if e.recorded_at and not e.actor.startswith("system:")]
    quiet = wall - max([first, *acts])
    if quiet <= ESCALATE_AFTER * allowed_pause(release):
        return None
    return found.model_copy(update={"escalated": True})


def allowed_pause(release: Release) -> timedelta:
    return timedelta(minutes=release.policy.pause_alert_minutes)


def _needs_a_process(release: Release) -> bool:
    return release.phase in AT_WORK or release.stop is not None


def _asked(entries: Sequence[Entry], request_id: str) -> Entry | None:
    asked = [e for e in entries if e.kind == "asked"]
    return next((e for e in asked if e.payload["request"]["request_id"] == request_id), None)


def _held(release: Release, entries: Sequence[Entry]) -> Entry | None:
    """The first look at this step that came after its least time."""
    if release.step is None or release.entered_at is None:
        return None
    baked = release.entered_at + timedelta(days=release.policy.rules_for(release.step).min_days)
    entered = max((e.seq for e in entries if e.kind == "entered"), default=0)
    looks = (e for e in entries if e.kind == "looked" and e.seq > entered)
    return next((e for e in looks if e.at >= baked), None)


def _lasted(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2 * 24 * 60 else f"{minutes // 1440} days"
