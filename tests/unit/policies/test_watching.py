"""What the watcher does, row by row of its table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from policies.lifecycle import Containment, Phase, Release
from policies.loader import find
from policies.vocabulary import Lease, Outcome
from policies.watching import Seen, alarm, watch_act

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = Lease(release_id="r", epoch=1, holder="h", expires_at=NOW + timedelta(minutes=5))
LAPSED = FRESH.model_copy(update={"expires_at": NOW - timedelta(minutes=5)})
QUIET = Release(phase=Phase.STANDING, release_id="r", next_look=NOW + timedelta(days=1))
DUE = QUIET.model_copy(update={"next_look": NOW - timedelta(hours=1)})
STOP = Containment(reason="smoke", finding=None, outcome=Outcome.ROLLED_BACK)
STOPPED = QUIET.model_copy(update={"stop": STOP})

CASES = [
    (None, QUIET, FRESH, "adopt"),
    ("CRASHED", QUIET, FRESH, "wake"),
    ("CANCELLED", QUIET, FRESH, "abort"),
    ("CANCELLING", QUIET, FRESH, "abort"),
    ("COMPLETED", QUIET, FRESH, "adopt"),
    ("FAILED", QUIET, FRESH, "leave"),
    ("FAILED", QUIET, LAPSED, "adopt"),
    ("RUNNING", QUIET, FRESH, "leave"),
    ("RUNNING", QUIET, LAPSED, "wake"),
    ("RUNNING", QUIET, None, "wake"),
    ("PAUSED", QUIET, LAPSED, "leave"),
    ("PAUSED", DUE, LAPSED, "wake"),
    ("SCHEDULED", QUIET, LAPSED, "leave"),
    ("SCHEDULED", DUE, FRESH, "leave"),
    ("SCHEDULED", DUE, LAPSED, "wake"),
    ("SCHEDULED", STOPPED, FRESH, "wake"),
    ("PENDING", STOPPED, FRESH, "leave"),
    ("PENDING", DUE, LAPSED, "wake"),
    ("PAUSED", STOPPED, LAPSED, "wake"),
    ("PENDING", QUIET, LAPSED, "leave"),
]


@pytest.mark.parametrize(("state", "release", "lease", "act"), CASES)
def test_watch_act(state: str | None, release: Release, lease: Lease | None, act: str) -> None:
    """A lost run is put back to work, a cancelled one aborts, a waiting one is left alone."""
    assert watch_act(release, Seen(state=state), lease, now=NOW, wall=NOW) == act


POLICY = find("medium").policy.model_dump(mode="json")  # calls somebody after 15 minutes
STOP = Containment(reason="killed", finding=None, outcome=Outcome.ROLLED_BACK)
LONG, JUST = NOW - timedelta(minutes=16), NOW - timedelta(minutes=14)
EXPIRED = FRESH.model_copy(update={"expires_at": NOW - timedelta(minutes=3)})
LATELY = FRESH.model_copy(update={"expires_at": NOW - timedelta(minutes=1)})

ALARMS = [
    ("between two looks", Phase.STANDING, None, None, EXPIRED, None),
    ("a look just due", Phase.STANDING, None, JUST, EXPIRED, None),
    ("a look long due", Phase.STANDING, None, LONG, FRESH, "overdue"),
    ("waiting for people", Phase.ASKING, None, None, EXPIRED, None),
    ("waiting for people, look long due", Phase.ASKING, None, LONG, EXPIRED, "overdue"),
    ("at work", Phase.ENTERING, None, None, FRESH, None),
    ("lease lost just now", Phase.ENTERING, None, None, LATELY, None),
    ("lease lost", Phase.ENTERING, None, None, EXPIRED, "lost"),
    ("never had a lease", Phase.OPENED, None, None, None, "lost"),
    ("half contained", Phase.CONTAINING, None, None, EXPIRED, "lost"),
    ("half promoted", Phase.PROMOTING, None, None, EXPIRED, "lost"),
    ("promoted, not closed", Phase.PROMOTED, None, None, EXPIRED, "lost"),
    ("asked to stop, nobody does", Phase.STANDING, STOP, None, EXPIRED, "lost"),
    ("asked to stop, at work", Phase.STANDING, STOP, None, FRESH, None),
    ("closed", Phase.CLOSED, None, LONG, EXPIRED, None),
    ("unopened", Phase.UNOPENED, None, LONG, EXPIRED, None),
]


@pytest.mark.parametrize(
    ("phase", "stop", "due", "lease", "about"),
    [case[1:] for case in ALARMS],
    ids=[case[0] for case in ALARMS],
)
def test_alarm(
    phase: Phase,
    stop: Containment | None,
    due: datetime | None,
    lease: Lease | None,
    about: str | None,
) -> None:
    """Somebody is called when a look is overdue, or an act was begun and nobody is at it."""
    release = Release(phase=phase, release_id="r", stop=stop, policy_document=POLICY)
    found = alarm(release, lease, due_since=due, wall=NOW)
    assert (found.about if found else None) == about
