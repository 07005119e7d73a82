"""Replays a world: whoever asks in an hour gets a prediction, and outcomes follow when known.

The world stands still while an hour is sent, so a prediction carries the hour it was made in,
and an outcome is posted at the first full hour at which it could have been known.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from deployments.demo.client import GatewayClient
from deployments.demo.demo_world import DemoWorld
from deployments.demo.requests import HOUR, Request, by_hour, requests, share_of
from deployments.demo.scenarios import SEED
from deployments.demo.world_clock import WorldClock

if TYPE_CHECKING:
    import pandas as pd

POLL_SECONDS = 0.02

Barrier = Callable[[], datetime | None]
Befalls = Callable[[datetime, Sequence[Request]], list[Request]]


@dataclass(frozen=True)
class ReplayPlan:
    """``share_of_flights`` leaves requests out by their id, so that every run keeps the same."""

    model: str
    gateway_url: str
    clock_folder: Path
    world: DemoWorld
    first_day: date | None = None  # else the world's own
    days: int = 245
    share_of_flights: float = 1.0
    seed: int = SEED
    hold_seconds: float = 120.0  # longest wait for one look
    patience_seconds: float = 60.0  # longest wait for an absent gateway

    def begins(self) -> datetime:
        return self.world.midnight(self.first_day or self.world.first_day)

    def ends(self) -> datetime:
        first = self.first_day or self.world.first_day
        last = min(first + timedelta(days=self.days), self.world.end)
        return self.world.midnight(last)


@dataclass(frozen=True)
class Progress:
    day: str = ""
    share_of_flights: float = 1.0
    rows: int = 0
    outcomes: int = 0
    fallbacks: int = 0  # answered by another variant than the one meant
    unanswered: int = 0
    retries: int = 0
    held_seconds: float = 0.0
    missed_looks: int = 0  # looks that did not come within ``hold_seconds``
    days_per_second: float = 0.0
    finished: bool = False


@dataclass
class Replay:
    """One model's world. ``barrier`` names the next due look: the clock waits for it there."""

    plan: ReplayPlan
    asked: pd.DataFrame  # as ``DemoWorld.requests`` gives it
    barrier: Barrier
    stop: Event
    report: Callable[[Progress], None] = lambda progress: None
    befalls: Befalls | None = None  # what the world does to the requests of an hour
    progress: Progress = field(init=False, default=Progress())
    _known: list[tuple[datetime, str, float]] = field(init=False, default_factory=list)
    _missed: datetime | None = field(init=False, default=None)

    def run(self) -> Progress:
        """Until the end, or until stopped. Started again, it goes on where its clock stands."""
        self.progress = Progress(share_of_flights=self.plan.share_of_flights)
        self._clock = WorldClock(self.plan.clock_folder / f"{self.plan.model}.json")
        self._now = self._clock.read() or self.plan.begins()
        self._clock.tick(self._now)
        self._gateway = GatewayClient(self.plan.gateway_url, self.stop, self.plan.patience_seconds)
        try:
            self._run_hours()
        finally:
            self._gateway.close()
            self._tell(retries=self._gateway.retries)
        return self.progress

    def _run_hours(self) -> None:
        asked = share_of(self.asked, self.plan.share_of_flights)
        self._recall_outcomes(asked)
        first = _full_hour(self._now)
        self._advance_to(first)
        for hour, asking in by_hour(asked, self._columns, first, self.plan.ends()):
            if self.stop.is_set():
                return
            started = self._working_seconds()
            self._send(self.befalls(hour, asking) if self.befalls is not None else asking)
            self._post_outcomes()
            self._advance_to(hour + HOUR)
            self._clock.measure(HOUR, self._working_seconds() - started)
            self._tell_of_day()
        self._tell(finished=not self.stop.is_set())

    def _working_seconds(self) -> float:
        return time.monotonic() - self.progress.held_seconds

    @property
    def _columns(self) -> list[str]:
        return list(self.plan.world.inputs)

    def _send(self, asking: list[Request]) -> None:
        if not asking:
            return
        answers = self._gateway.predict(self.plan.model, [each.row for each in asking])
        answered = [answer for answer in answers if answer.get("score") is not None]
        self._expect_outcomes(asking)
        self._count(
            rows=len(asking),
            unanswered=len(asking) - len(answered),
            fallbacks=sum(1 for answer in answered if answer.get("reason")),
        )

    def _expect_outcomes(self, asking: list[Request]) -> None:
        for each in asking:
            if each.known_at is not None:
                heapq.heappush(self._known, (each.known_at, each.row["id"], each.label))

    def _post_outcomes(self) -> None:
        """Only what is known now: no outcome comes before its time."""
        due: list[dict[str, Any]] = []
        while self._known and self._known[0][0] <= self._now:
            _, row_id, label = heapq.heappop(self._known)
            due.append({"id": row_id, "label": label})
        if due:
            self._count(outcomes=self._gateway.outcomes(self.plan.model, due))

    def _recall_outcomes(self, asked: pd.DataFrame) -> None:
        """After a restart: requests already sent whose outcome was not.

        Outcomes go out at full hours, so at most those of the last hour are not sent yet.
        """
        posted_until = _full_hour(self._now) - HOUR
        longest = (asked["label_known_at"] - asked["asked_at"]).max().to_pytimedelta()
        earliest = max(self._now - longest - HOUR, self.plan.begins())
        sent = requests(asked, self._columns, earliest, _full_hour(self._now))
        self._expect_outcomes([r for r in sent if r.known_at and r.known_at > posted_until])

    def _advance_to(self, moment: datetime) -> None:
        """Tick on, but wait at every look that falls due before or at ``moment``."""
        while not self.stop.is_set():
            due = self.barrier()
            if due is None or due > moment or due == self._missed:
                return self._tick(moment)
            if due > self._now:
                self._tick(due)
            self._hold(due)
        return None

    def _hold(self, due: datetime) -> None:
        started = time.monotonic()
        while self.barrier() == due and not self.stop.is_set():
            if time.monotonic() - started > self.plan.hold_seconds:
                self._missed = due
                self._count(missed_looks=1)
                break
            self.stop.wait(POLL_SECONDS)
        self._count(held_seconds=time.monotonic() - started)

    def _tick(self, moment: datetime) -> None:
        self._now = moment
        self._clock.tick(moment)

    def _count(self, **more: float) -> None:
        now = {name: getattr(self.progress, name) + value for name, value in more.items()}
        self.progress = replace(self.progress, **now)

    def _tell_of_day(self) -> None:
        local = self._now.astimezone(ZoneInfo(self.plan.world.time_zone))
        if local.hour == 0:
            self._tell(retries=self._gateway.retries)

    def _tell(self, **news: Any) -> None:
        self.progress = replace(
            self.progress,
            day=self._now.astimezone(ZoneInfo(self.plan.world.time_zone)).date().isoformat(),
            days_per_second=self._clock.rate / 86_400.0,
            **news,
        )
        self.report(self.progress)


def _full_hour(moment: datetime) -> datetime:
    """The requests of a begun hour were sent when it began."""
    floor = moment.replace(minute=0, second=0, microsecond=0)
    return floor if floor == moment else floor + HOUR
