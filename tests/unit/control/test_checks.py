"""The control service's own watch: somebody is called once, also when Prefect is silent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.control.checks import LostReleases, all_of
from policies.errors import UnavailableError
from policies.loader import find
from policies.vocabulary import Entry, Message, TrafficPlan
from tasks.connections import World
from tasks.ledger.adapters.memory import MemoryLedger
from tasks.ledger.record import note
from tasks.notify.adapters.memory import MemoryNotifier
from tasks.notify.ports import Delivered

LOADED = find("low")
RELEASE = "rel-1"
HOUR = timedelta(hours=1)


class Watched(World):
    """A world in memory, with one release that stands at its first step."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.ledger = MemoryLedger()
        self.notifier = MemoryNotifier()
        self.wall = datetime.now(UTC)
        self.lease = self.ledger.take_lease(RELEASE, "run", self.wall, HOUR)

    def begin(self, at: datetime) -> None:
        """``at``: the world's time when it entered; its first look is due at once."""
        step = LOADED.policy.steps()[1].plain()
        plan = TrafficPlan(model="m", champion=None, baseline=0.5).plain()
        self.move("opened", at, OPENED)
        self.move("entering", at, {"step": step, "plan": plan})
        self.move("entered", at, {"step": step, "plan": plan, "observed": []})

    def move(self, kind: str, at: datetime, payload: dict[str, Any]) -> None:
        known = [entry.seq for entry in self.ledger.entries(release_id=RELEASE) if entry.move]
        entry = Entry(
            kind=kind, move=True, release_id=RELEASE, model="m", actor="a", at=at, payload=payload
        )
        self.ledger.move(entry, self.lease, after=known[-1] if known else 0)

    def replay(self, now: datetime) -> None:
        clock = self.home.path / "clock" / "m.json"
        clock.parent.mkdir(exist_ok=True)
        clock.write_text(json.dumps({"now": now.isoformat(), "rate": 1.0}))

    @property
    def pages(self) -> list[Message]:
        assert isinstance(self.notifier, MemoryNotifier)
        return self.notifier.sent

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.ledger.entries() if not entry.move]


OPENED = {
    "model": "m",
    "version": "2",
    "requester": "erin",
    "artefact": {
        "ref": {"model": "m", "version": "2"},
        "digest": "sha256:" + "a" * 64,
        "inputs": {"x": "double"},
    },
    "policy": "low",
    "policy_digest": LOADED.digest,
    "policy_document": LOADED.policy.model_dump(mode="json"),
    "versions": {},
    "run_id": "run",
}
VOTE = {
    "sign_off": {
        "request_id": "req-0",
        "person": "Mia",
        "role": "peer",
        "decision": "approve",
        "signed_text": "t",
        "signature": "s",
    }
}
LATE = timedelta(days=30)  # past any first look


@pytest.fixture
def world(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_an_overdue_release_is_told_once(world: Watched) -> None:
    """One fact and one page, however often it is looked at, and again after a restart."""
    world.begin(world.wall - LATE)
    checks = LostReleases(world, lambda: True)
    assert all("due for" in told for _ in range(3) for told in checks())
    assert LostReleases(world, lambda: True)()
    assert world.kinds() == ["alert", "notified"]
    (page,) = world.pages
    assert (page.kind, page.thread) == ("page", RELEASE)
    assert any(f"seatrial rollback {RELEASE} --reason WHY" in each for each in page.commands)


def test_a_release_in_time_is_left_alone(world: Watched) -> None:
    """Nothing is written about what is well."""
    world.begin(world.wall)
    assert (LostReleases(world, lambda: False)(), world.kinds(), world.pages) == ([], [], [])


def test_a_replayed_world_waits_unless_prefect_is_silent(world: Watched) -> None:
    """Its clock stands still during a look: only a silent Prefect makes that a fault."""
    begun = datetime(2013, 5, 1, tzinfo=UTC)
    world.replay(begun + LATE)
    world.begin(begun)
    silent = [False]
    checks = LostReleases(world, lambda: not silent[0])
    assert checks() == []
    silent[0] = True
    assert checks() == []  # silent for no time yet
    (key,) = checks._due_since
    checks._due_since[key] -= timedelta(minutes=LOADED.policy.pause_alert_minutes + 1)
    assert len(checks()) == 1 and len(world.pages) == 1
    silent[0] = False
    assert checks() == []


def test_a_new_situation_is_told_anew(world: Watched) -> None:
    """After another move, the next silence is another page."""
    world.begin(world.wall - LATE)
    checks = LostReleases(world, lambda: True)
    checks()
    world.move("containing", world.wall, {"reason": "r", "finding": None, "outcome": "aborted"})
    assert checks() == []  # at work, with a lease
    gone = world.wall - HOUR
    world.lease = world.ledger.take_lease(RELEASE, "other", gone, timedelta(minutes=1))
    assert "no process is at work on it" in checks()[0]
    assert [entry.payload["about"] for entry in alerts(world)] == ["overdue", "lost"]
    assert len(world.pages) == 2


def test_a_page_that_failed_is_sent_in_the_next_round(world: Watched) -> None:
    """The fact is recorded once; the failure is told by the service's health."""

    class Away:
        def send(self, message: Message) -> str:
            raise UnavailableError("Slack does not answer.")

        def deliver_waiting(self) -> tuple[Delivered, ...]:
            return ()

    world.begin(world.wall - LATE)
    back, world.notifier = world.notifier, Away()  # type: ignore[misc]
    checks = LostReleases(world, lambda: True)
    with pytest.raises(UnavailableError):
        checks()
    world.notifier = back  # type: ignore[misc]
    checks()
    assert (world.kinds(), len(world.pages)) == (["alert", "notified"], 1)


REQUEST = {
    "request_id": "req-1",
    "nonce": "n",
    "release_id": RELEASE,
    "gate": "canary",
    "model": "m",
    "version": "2",
    "artefact_digest": "sha256:" + "a" * 64,
    "evidence_digest": "sha256:" + "b" * 64,
    "policy_digest": LOADED.digest,
    "requester": "erin",
    "roles": {"peer": 1, "manager": 1},
}
ALLOWED = timedelta(minutes=LOADED.policy.pause_alert_minutes)


@pytest.fixture
def asking(world: Watched) -> Watched:
    """People were asked just now."""
    until = world.wall + timedelta(days=3)
    asked = {"asked_at": world.wall.isoformat(), "expires_at": until.isoformat()}
    world.begin(world.wall)
    world.move("asked", world.wall, {"request": REQUEST | asked})
    return world


def later(checks: LostReleases, pause: timedelta) -> None:
    """One round of the checks, that much later."""
    checks._wall = lambda: datetime.now(UTC) + pause  # type: ignore[method-assign]
    checks()


def test_people_are_called_when_the_watcher_calls_nobody(asking: Watched) -> None:
    """Prefect is silent: what is missing is told from outside of it, once, then escalated once."""
    checks = LostReleases(asking, lambda: False)
    later(checks, ALLOWED + timedelta(minutes=1))
    assert asking.pages == []  # the watcher has still time
    for _ in range(3):
        later(checks, ALLOWED + timedelta(minutes=6))
    (told,) = asking.pages
    assert (told.kind, told.to) == ("pause", ("manager", "peer"))
    assert ("Missing", "1 × manager, 1 × peer") in told.facts
    for _ in range(3):
        later(checks, 4 * ALLOWED + timedelta(minutes=6))
    assert [page.kind for page in asking.pages] == ["pause", "page"]
    assert asking.pages[1].title == f"Still: {told.title}"
    assert "low" not in asking.pages[1].title and "ml-on-call" in asking.pages[1].to


def test_who_acts_is_not_escalated_over(asking: Watched) -> None:
    """Somebody has signed, or said why not: the clock of the escalation starts anew."""
    checks = LostReleases(asking, lambda: False)
    later(checks, ALLOWED + timedelta(minutes=6))
    asking.ledger._clock = lambda: datetime.now(UTC) + 3 * ALLOWED  # type: ignore[attr-defined]
    note(asking.ledger, "vote", VOTE, at=asking.wall, actor="Mia", release_id=RELEASE, model="m")
    later(checks, 5 * ALLOWED)
    assert len(asking.pages) == 1
    later(checks, 7 * ALLOWED + timedelta(minutes=6))
    assert len(asking.pages) == 2


def test_what_waited_is_delivered_without_prefect(world: Watched) -> None:
    """Slack is back, Prefect is not: the message arrives, and its release's record says so."""

    class Back(MemoryNotifier):
        def deliver_waiting(self) -> tuple[Delivered, ...]:
            return (Delivered(title="late", thread=RELEASE, where="slack:C/1"),)

    world.begin(world.wall)
    world.notifier = Back()
    checks = LostReleases(world, lambda: False)
    checks()
    checks()  # not at every round
    (fact,) = [entry for entry in world.ledger.entries() if entry.kind == "delivered"]
    assert (fact.release_id, fact.payload["title"]) == (RELEASE, "late")


def alerts(world: Watched) -> list[Entry]:
    return [entry for entry in world.ledger.entries() if entry.kind == "alert"]


def test_one_check_that_fails_keeps_no_other_from_its_turn() -> None:
    """A journal that cannot be recorded must not hide a lost release; the fault is told."""
    turns = []

    def fails() -> list[str]:
        turns.append("fails")
        raise UnavailableError("the ledger is away", advice="Wait.")

    def works() -> list[str]:
        turns.append("works")
        return ["found"]

    with pytest.raises(UnavailableError, match="away"):
        all_of(fails, works)()
    assert turns == ["fails", "works"]
    assert all_of(works, works)() == ["found", "found"]
