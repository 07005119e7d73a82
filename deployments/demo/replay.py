"""Replays the year: each hour's departures ask for a prediction, and outcomes follow when known.

The world stands still while an hour is sent, so a prediction carries the hour it was made in,
and an outcome is posted at the first full hour at which it could have been known.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from deployments.demo.client import GatewayClient
from deployments.demo.departures import HOUR, Departure, by_hour, departures, share_of
from deployments.demo.flights import TIME_ZONE
from deployments.demo.recipes import SEED
from deployments.demo.scenarios import FIRST_DAY
from deployments.demo.world_clock import WorldClock

if TYPE_CHECKING:
    import pandas as pd

LONGEST_LABEL_LAG = timedelta(hours=48)  # the latest arrival of the year is known after 33
POLL_SECONDS = 0.02
DATA_ENDS = datetime(2014, 1, 1, tzinfo=ZoneInfo(TIME_ZONE)).astimezone(UTC)

Barrier = Callable[[], datetime | None]
Befalls = Callable[[datetime, Sequence[Departure]], list[Departure]]


@dataclass(frozen=True)
class ReplayPlan:
    """``share_of_flights`` leaves flights out by their id, so that every run keeps the same."""

    model: str
    gateway_url: str
    clock_folder: Path
    first_day: date = FIRST_DAY
    days: int = 245  # to the end of December
    share_of_flights: float = 1.0
    seed: int = SEED  # another seed puts the passengers into other arms
    hold_seconds: float = 120.0  # longest wait for one look
    patience_seconds: float = 60.0  # longest wait for an absent gateway

    def begins(self) -> datetime:
        return _midnight(self.first_day)

    def ends(self) -> datetime:
        return min(_midnight(self.first_day + timedelta(days=self.days)), DATA_ENDS)


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
    flights: pd.DataFrame
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
        flights = share_of(self.flights, self.plan.share_of_flights)
        if self.plan.seed != SEED:
            flights = flights.assign(unit=f"{self.plan.seed}:" + flights["unit"])
        self._recall_outcomes(flights)
        first = _full_hour(self._now)
        self._advance_to(first)
        for hour, flown in by_hour(flights, first, self.plan.ends()):
            if self.stop.is_set():
                return
            started = self._working_seconds()
            self._send(self.befalls(hour, flown) if self.befalls is not None else flown)
            self._post_outcomes()
            self._advance_to(hour + HOUR)
            self._clock.measure(HOUR, self._working_seconds() - started)
            self._tell_of_day()
        self._tell(finished=not self.stop.is_set())

    def _working_seconds(self) -> float:
        return time.monotonic() - self.progress.held_seconds

    def _send(self, flown: list[Departure]) -> None:
        if not flown:
            return
        answers = self._gateway.predict(self.plan.model, [flight.row for flight in flown])
        answered = [answer for answer in answers if answer.get("score") is not None]
        self._expect_outcomes(flown)
        self._count(
            rows=len(flown),
            unanswered=len(flown) - len(answered),
            fallbacks=sum(1 for answer in answered if answer.get("reason")),
        )

    def _expect_outcomes(self, flown: list[Departure]) -> None:
        for flight in flown:
            if flight.known_at is not None:
                heapq.heappush(self._known, (flight.known_at, flight.row["id"], flight.label))

    def _post_outcomes(self) -> None:
        """Only what is known now: an outcome never comes before its flight has landed."""
        due: list[dict[str, Any]] = []
        while self._known and self._known[0][0] <= self._now:
            _, row_id, label = heapq.heappop(self._known)
            due.append({"id": row_id, "label": label})
        if due:
            self._count(outcomes=self._gateway.outcomes(self.plan.model, due))

    def _recall_outcomes(self, flights: pd.DataFrame) -> None:
        """After a restart: flights already sent whose outcome was not.

        Outcomes go out at full hours, so at most those of the last hour are not sent yet.
        """
        posted_until = _full_hour(self._now) - HOUR
        earliest = max(self._now - LONGEST_LABEL_LAG, self.plan.begins())
        sent = departures(flights, earliest, _full_hour(self._now))
        self._expect_outcomes([f for f in sent if f.known_at and f.known_at > posted_until])

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
        local = self._now.astimezone(ZoneInfo(TIME_ZONE))
        if local.hour == 0:
            self._tell(retries=self._gateway.retries)

    def _tell(self, **news: Any) -> None:
        self.progress = replace(
            self.progress,
            day=self._now.astimezone(ZoneInfo(TIME_ZONE)).date().isoformat(),
            days_per_second=self._clock.rate / 86_400.0,
            **news,
        )
        self.report(self.progress)


def _full_hour(moment: datetime) -> datetime:
    """The flights of a begun hour were sent when it began."""
    floor = moment.replace(minute=0, second=0, microsecond=0)
    return floor if floor == moment else floor + HOUR


def _midnight(day: date) -> datetime:
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(TIME_ZONE))
    return local.astimezone(UTC)
