"""What the watcher does, row by row of its table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from policies.lifecycle import Phase, Release
from policies.vocabulary import Lease
from policies.watching import Seen, watch_act

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = Lease(release_id="r", epoch=1, holder="h", expires_at=NOW + timedelta(minutes=5))
LAPSED = FRESH.model_copy(update={"expires_at": NOW - timedelta(minutes=5)})
QUIET = Release(phase=Phase.STANDING, release_id="r", next_look=NOW + timedelta(days=1))
DUE = QUIET.model_copy(update={"next_look": NOW - timedelta(hours=1)})

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
    ("PENDING", QUIET, LAPSED, "leave"),
]


@pytest.mark.parametrize(("state", "release", "lease", "act"), CASES)
def test_watch_act(state: str | None, release: Release, lease: Lease | None, act: str) -> None:
    """A lost run is put back to work, a cancelled one aborts, a waiting one is left alone."""
    assert watch_act(release, Seen(state=state), lease, now=NOW, wall=NOW) == act
