"""What the control service asks by itself every few seconds, without Prefect.

The release run watches the model, the watcher in Prefect watches the run; this watches both,
and calls somebody when a release is overdue or lost, or pauses and the watcher tells nobody. It
changes nothing: what follows is a person's decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from policies.lifecycle import Release
from policies.vocabulary import Entry
from policies.watching import Alarm, alarm, pause, untold
from tasks.approval.counting import missing_from
from tasks.connections import World
from tasks.notify.alarm import paused

DueChecks = Callable[[], Sequence[str]]  # what was found and done, one sentence each
ACTOR = "system:control"
DELIVER_SECONDS = 60.0
WATCHER_MISSED = timedelta(minutes=5)  # it comes every minute: by then it would have told


def all_of(*checks: DueChecks) -> DueChecks:
    """One round of several: each has its turn, and the first fault is told when all have had it."""

    def round_() -> Sequence[str]:
        found: list[str] = []
        faults: list[Exception] = []
        for check in checks:
            try:
                found += check()
            except Exception as error:  # noqa: BLE001 - told; the others must have their turn
                faults.append(error)
        if faults:
            raise faults[0]
        return found

    return round_


class Watch:
    """Runs the checks one after the other in a thread; ``fault`` says why the last one failed."""

    def __init__(self, checks: DueChecks, every_seconds: float) -> None:
        self._checks, self._every_seconds = checks, every_seconds
        self.fault: str | None = None
        self.found: Sequence[str] = ()
        self._ended = time.monotonic()

    @property
    def seconds_ago(self) -> float:
        """Since the last round ended: a watch that hangs or died is seen by this."""
        return time.monotonic() - self._ended

    async def run(self) -> None:
        while True:
            try:
                self.found = await asyncio.to_thread(self._checks)
                self.fault = None
            except Exception as error:  # noqa: BLE001 - told; a round must not be the last one
                self.fault = str(error) or type(error).__name__
            self._ended = time.monotonic()
            await asyncio.sleep(self._every_seconds)


class LostReleases:
    """Finds live releases that nobody is at work on; records and tells each situation once."""

    def __init__(self, world: World, prefect_answers: Callable[[], bool] | None = None) -> None:
        self._world = world
        self._prefect_answers = prefect_answers or partial(_answers, world)
        self._seen = -1  # the last entry that was read
        self._live: tuple[Release, ...] = ()
        self._entries: dict[str, Sequence[Entry]] = {}  # of each live release
        self._delivered_at = -DELIVER_SECONDS
        self._due_since: dict[tuple[str, int], datetime] = {}  # replayed: (release, last move)

    def live(self) -> Sequence[Release]:
        """The live releases, as the ledger has them now."""
        self._read()
        return self._live

    def __call__(self) -> Sequence[str]:
        self._read()
        wall = self._wall()
        keys = {(state.release_id, state.last_move) for state in self._live}
        self._due_since = {key: at for key, at in self._due_since.items() if key in keys}
        told = [told for state in self._live if (told := self._attend(state, wall)) is not None]
        self._deliver()
        return told

    def _wall(self) -> datetime:
        return datetime.now(UTC)

    def _read(self) -> None:
        """Fold only when something was recorded since: a long ledger costs nothing at rest."""
        from tasks.ledger.record import live_releases

        news = self._world.ledger.entries(after=max(self._seen, 0))
        if news or self._seen < 0:
            self._live = live_releases(self._world.ledger)
            self._entries = {
                state.release_id: self._world.ledger.entries(release_id=state.release_id)
                for state in self._live
            }
            self._seen = news[-1].seq if news else 0

    def _deliver(self) -> None:
        """What could not be told waits for the watcher, and for this when Prefect is silent."""
        from tasks.ledger.alarms import record_delivered

        if time.monotonic() - self._delivered_at < DELIVER_SECONDS:
            return
        self._delivered_at = time.monotonic()
        world = self._world
        for late in world.notifier.deliver_waiting():
            record_delivered(
                world.ledger, world.clock.now, late.title, late.thread, late.where, ACTOR
            )

    def _attend(self, state: Release, wall: datetime) -> str | None:
        found = self._unattended(state, wall) or self._neglected(state, wall)
        if found is None:
            return None
        entries = self._entries[state.release_id]
        if (news := untold(state, entries, found, wall)) is not None:
            self._tell(state, news)
        return f"{state.release_id}: {found.why}"

    def _unattended(self, state: Release, wall: datetime) -> Alarm | None:
        lease = self._world.ledger.lease_of(state.release_id)
        return alarm(state, lease, due_since=self._due(state, wall), wall=wall)

    def _neglected(self, state: Release, wall: datetime) -> Alarm | None:
        """A pause that the watcher in Prefect should have told by now, and has not."""
        entries = self._entries[state.release_id]
        late = wall - WATCHER_MISSED
        missing = missing_from(state, self._world.directory)
        found = pause(state, entries, missing=missing, wall=late)
        return found if found and untold(state, entries, found, late) else None

    def _due(self, state: Release, wall: datetime) -> datetime | None:
        """Since when the look is due. A replayed world waits for its looks, however long they
        take: there only a silent Prefect counts, from when it was first seen so.
        """
        key = (state.release_id, state.last_move)
        now = self._world.clock.now(state.model)
        if state.next_look is None or now < state.next_look:
            self._due_since.pop(key, None)
            return None
        if not (self._world.home.path / "clock" / f"{state.model}.json").exists():
            return state.next_look
        if self._prefect_answers():
            self._due_since.pop(key, None)
            return None
        return self._due_since.setdefault(key, wall)

    def _tell(self, state: Release, found: Alarm) -> None:
        """Recorded, then told; what could not be told is sent again in the next round."""
        from tasks.ledger.alarms import record_alarm, record_told

        ledger, now = self._world.ledger, self._world.clock.now(state.model)
        record_alarm(ledger, state, found, now, ACTOR)
        told = paused(state, found)
        where = self._world.notifier.send(told)
        record_told(ledger, state, found, told, where, now, ACTOR)


def _answers(world: World) -> bool:
    import httpx

    try:
        health = httpx.get(f"{world.settings.prefect_api}/health", timeout=2.0)
    except httpx.TransportError:
        return False
    return health.status_code == httpx.codes.OK
