"""What the control service asks by itself every few seconds, without Prefect.

The release run watches the model, the watcher in Prefect watches the run; this watches both,
and calls somebody when a release is overdue or lost. It changes nothing: what follows is a
person's decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from policies.errors import SeatrialError
from policies.lifecycle import Release
from policies.vocabulary import Entry, Message
from policies.watching import Alarm, alarm
from tasks.connections import World

DueChecks = Callable[[], Sequence[str]]  # what was found and done, one sentence each
ACTOR = "system:control"


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
            except SeatrialError as error:
                self.fault = str(error)
            self._ended = time.monotonic()
            await asyncio.sleep(self._every_seconds)


class LostReleases:
    """Finds live releases that nobody is at work on; records and pages once a situation."""

    def __init__(self, world: World, prefect_answers: Callable[[], bool] | None = None) -> None:
        self._world = world
        self._prefect_answers = prefect_answers or partial(_answers, world)
        self._seen = -1  # the last entry that was read
        self._live: tuple[Release, ...] = ()
        self._due_since: dict[tuple[str, int], datetime] = {}  # replayed: (release, last move)

    def __call__(self) -> Sequence[str]:
        self._read()
        wall = datetime.now(UTC)
        keys = {(state.release_id, state.last_move) for state in self._live}
        self._due_since = {key: at for key, at in self._due_since.items() if key in keys}
        return [told for state in self._live if (told := self._attend(state, wall)) is not None]

    def _read(self) -> None:
        """Fold only when something was recorded since: a long ledger costs nothing at rest."""
        from tasks.ledger.record import live_releases

        news = self._world.ledger.entries(after=max(self._seen, 0))
        if news or self._seen < 0:
            self._live = live_releases(self._world.ledger)
            self._seen = news[-1].seq if news else 0

    def _attend(self, state: Release, wall: datetime) -> str | None:
        lease = self._world.ledger.lease_of(state.release_id)
        found = alarm(state, lease, due_since=self._due(state, wall), wall=wall)
        if found is None:
            return None
        self._tell(state, found)
        return f"{state.release_id}: {found.why}"

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
        """Recorded, then paged; a page that failed is sent again in the next round."""
        from tasks.ledger.record import note

        mark = {"about": found.about, "after": state.last_move}
        known = self._world.ledger.entries(release_id=state.release_id)
        record = partial(
            note,
            self._world.ledger,
            at=self._world.clock.now(state.model),
            actor=ACTOR,
            release_id=state.release_id,
            model=state.model,
        )
        if not _has(known, "alert", mark):
            record("alert", mark | {"why": found.why})
        if not _has(known, "notified", mark):
            page = overdue_page(state, found)
            where = self._world.notifier.send(page)
            record("notified", mark | {"kind": "page", "title": page.title, "where": where})


def overdue_page(state: Release, found: Alarm) -> Message:
    """One page with what, how bad and which command."""
    rules = state.policy.incident
    place = state.step.name if state.step else "opening"
    share = f"{state.plan.weight_bp / 100:g} %" if state.plan else "none"
    return Message(
        kind="page",
        title=f"{state.model} v{state.version} stands unattended at {place}",
        body=f"{found.why} Traffic stays as it is.",
        facts=(
            ("Release", state.release_id),
            ("Candidate's share", share),
            ("On call", rules.on_call),
            ("Runbook", rules.runbook),
        ),
        commands=("seatrial doctor", f"seatrial rollback {state.release_id} --reason WHY"),
        thread=state.release_id,
    )


def _has(entries: Sequence[Entry], kind: str, mark: Mapping[str, object]) -> bool:
    return any(entry.kind == kind and mark.items() <= entry.payload.items() for entry in entries)


def _answers(world: World) -> bool:
    import httpx

    try:
        health = httpx.get(f"{world.settings.prefect_api}/health", timeout=2.0)
    except httpx.TransportError:
        return False
    return health.status_code == httpx.codes.OK
