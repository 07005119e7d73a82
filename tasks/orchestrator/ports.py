"""What the command line and the watcher need from the orchestrator, and what time it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from policies.vocabulary import Value


class Run(Value):
    run_id: str
    name: str
    state: str  # RUNNING, SCHEDULED, PAUSED, CRASHED, CANCELLED, COMPLETED, FAILED, PENDING
    state_name: str
    due: datetime | None  # when a scheduled run is expected to start
    parameters: dict[str, Any] = {}
    url: str = ""


class Orchestrator(Protocol):
    def launch(
        self, deployment: str, parameters: dict[str, Any], *, name: str = "", key: str = ""
    ) -> Run:
        """A new run; with a ``key`` what was launched under it before, and nothing new.

        A parameter that is ``None`` has the default of its flow.
        """

    def wake(self, run_id: str) -> Run:
        """Have a parked, suspended or crashed run start again now."""

    def run(self, run_id: str) -> Run | None: ...

    def runs(self, deployment: str) -> Sequence[Run]:
        """Runs that have not ended in success, newest first."""


class Clock(Protocol):
    """The world's time for one model: the wall clock, or a replay's accelerated one."""

    def now(self, model: str) -> datetime: ...

    def real_seconds_until(self, model: str, moment: datetime) -> float:
        """Expected wall-clock seconds until the world reaches ``moment`` (0 when past)."""
