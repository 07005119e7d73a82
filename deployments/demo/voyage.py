"""One scenario under way: its replayed world, its release, and what became of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deployments.demo.barrier import Barrier
from deployments.demo.events import FrozenReadings, Overwriting
from deployments.demo.people import ENGINEER
from deployments.demo.replay import Progress, Replay, ReplayPlan
from deployments.demo.scenarios import SCENARIOS
from policies.errors import SeatrialError
from policies.lifecycle import Closing, Phase, Release
from tasks.connections import World


@dataclass
class Voyage:
    scenario: str
    model: str
    version: str
    barrier: Barrier
    replay: Replay
    halt: threading.Event
    run_id: str = ""
    release_id: str = ""
    progress: Progress = field(default_factory=Progress)
    fault: SeatrialError | None = None  # why its world has stopped
    ended_at: datetime | None = None  # in the replayed world, as the release closed
    _thread: threading.Thread | None = None

    @property
    def state(self) -> Release:
        return self.barrier.state

    @property
    def is_over(self) -> bool:
        return self.state.phase is Phase.CLOSED

    @property
    def is_moored(self) -> bool:
        return self.ended_at is not None

    def sail(self) -> None:
        self.replay.report = lambda progress: setattr(self, "progress", progress)
        name = f"replay {self.scenario}"
        self._thread = threading.Thread(target=self._replay, name=name, daemon=True)
        self._thread.start()

    def _replay(self) -> None:
        try:
            self.replay.run()
        except SeatrialError as error:
            self.fault = error

    def moor(self) -> None:
        """The world of a closed release stops; its models stay as they are."""
        self.halt.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None
        self.ended_at = self.ended_at or self.barrier.world.clock.now(self.model)

    def parameters(self) -> dict[str, Any]:
        """What people would fill into the launch form."""
        return {
            "model": self.model,
            "version": self.version,
            "requester": ENGINEER.name,
            "policy": None,
        }

    def line(self) -> str:
        """Where it stands, for people who watch."""
        state = self.state
        if state.closing is not None:
            return f"{state.closing.outcome.value.replace('_', ' ')}: {state.closing.reason}"
        place = state.step.name if state.step else "opening"
        verdict = state.verdict
        said = f"look {state.looks}: {verdict.decision}" if verdict else state.phase.value
        return f"{self.progress.day or self.replay.plan.begins().date()} · {place} · {said}"

    def row(self) -> dict[str, Any]:
        """What became of it, as ``--json`` tells it."""
        ended, plan = self.state.closing, self.replay.plan
        until = self.ended_at or self.barrier.world.clock.now(self.model)
        return {
            "scenario": self.scenario,
            "release_id": self.release_id,
            "outcome": ended.outcome.value if ended else "unfinished",
            "stage": ended.stage if ended else None,
            "finding": ended.finding if ended else None,
            "reason": ended.reason if ended else None,
            "exposed_requests": ended.exposed_requests if ended else None,
            "seconds_to_zero_traffic": ended.seconds_to_zero_traffic if ended else None,
            "hours_from_fault_to_zero": self._hours_from_fault(ended),
            "days_replayed": round((until - plan.begins()).total_seconds() / 86_400, 1),
            "share_of_flights": plan.share_of_flights,
            "seed": plan.seed,
        }

    def is_as_hoped(self) -> bool:
        """Ended as, and where, a responsible release would have ended it."""
        scenario, ended, step = SCENARIOS[self.scenario], self.state.closing, self.state.step
        if ended is None or step is None:
            return False
        return ended.outcome in scenario.hoped and step.stage in scenario.at

    def _hours_from_fault(self, ended: Closing | None) -> float | None:
        """World hours from the first faulty answer that a user got until nobody got one more.

        Faulty is an answer that failed or came late, or one given on readings that had frozen;
        ``None`` where no user got a faulty one.
        """
        out = _out_of_traffic(self.barrier)
        since = [ended.first_fault_at] if ended and ended.first_fault_at else []
        if isinstance(self.replay.befalls, FrozenReadings) and self.replay.befalls.since:
            since.append(self.replay.befalls.since)
        if out is None or not since:
            return None
        return round((out - min(since)).total_seconds() / 3600, 1)


def launch_ready(
    world: World, scenario: str, registered: dict[str, str], plan: ReplayPlan
) -> Voyage:
    """A voyage whose champion serves and whose world stands at its first moment."""
    model = registered["model"]
    barrier, halt = Barrier(world, model, plan.begins()), threading.Event()
    asked = plan.world.requests(world.home.path / "demo", plan.seed)
    replay = Replay(plan, asked, barrier, halt)
    event = SCENARIOS[scenario].event
    if event == "readings freeze after full":
        replay.befalls = FrozenReadings(barrier)
    if event == "file overwritten in shadow":
        replay.befalls = Overwriting(barrier, world.settings.mlflow_uri, registered["files"])
    return Voyage(scenario, model, registered["candidate"], barrier, replay, halt)


def _out_of_traffic(barrier: Barrier) -> datetime | None:
    entries = barrier.world.ledger.entries(release_id=barrier.state.release_id or "-")
    return next((entry.at for entry in entries if entry.kind == "contained"), None)
