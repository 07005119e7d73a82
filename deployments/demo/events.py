"""What befalls the replayed world: a feed that stops, a file that somebody overwrites.

The world knows of it; the release finds out as it would in life, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import httpx

from deployments.demo.requests import Request
from policies.errors import UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Stage

FROZEN = ("temp", "dewp", "humid", "pressure")  # one instrument sends them; rain has its own
DAYS_AFTER_FULL = timedelta(days=5)


class Watched(Protocol):
    """Whoever knows where the release stands."""

    @property
    def state(self) -> Release: ...


@dataclass
class FrozenReadings:
    """From five days after full weight every request carries its airport's last reading."""

    watched: Watched
    since: datetime | None = None
    _full_at: datetime | None = None
    _last: dict[str, dict[str, float]] = field(default_factory=dict)

    def __call__(self, hour: datetime, flown: Sequence[Request]) -> list[Request]:
        state = self.watched.state
        if state.step is not None and state.step.stage is Stage.FULL and self._full_at is None:
            self._full_at = state.entered_at
        if self._full_at is None or hour < self._full_at + DAYS_AFTER_FULL:
            for flight in flown:
                inputs = flight.row["inputs"]
                self._last[inputs["origin"]] = {name: inputs[name] for name in FROZEN}
            return list(flown)
        self.since = self.since or hour
        return [self._stuck(flight) for flight in flown]

    def _stuck(self, flight: Request) -> Request:
        inputs = flight.row["inputs"]
        stuck = {**inputs, **self._last.get(inputs["origin"], {})}
        return flight._replace(row={**flight.row, "inputs": stuck})


@dataclass
class Overwriting:
    """Once the release stands in shadow, one file of the registered version is replaced."""

    watched: Watched
    mlflow_uri: str
    files: str  # "mlflow-artifacts:/1/…/model", as the registry names it
    since: datetime | None = None

    def __call__(self, hour: datetime, flown: Sequence[Request]) -> list[Request]:
        state = self.watched.state
        shadow = state.step is not None and state.step.stage is Stage.SHADOW and state.entered_at
        if shadow and self.since is None:
            self._overwrite()
            self.since = hour
        return list(flown)

    def _overwrite(self) -> None:
        path = self.files.partition(":")[2].strip("/")
        address = f"{self.mlflow_uri}/api/2.0/mlflow-artifacts/artifacts/{path}/requirements.txt"
        answer = httpx.put(address, content=b"mlflow\n", trust_env=False, timeout=30.0)
        if answer.is_error:
            raise UnavailableError(
                f"MLflow would not take the file: {answer.status_code}.",
                advice="Read the MLflow server's log in the home's logs folder.",
            )
