"""What time it is in the world a model lives in.

A model whose traffic is replayed lives on the replay's clock: the replay writes
``<folder>/<model>.json`` (``now`` and ``rate``, world seconds per real second) each time it has
sent everything up to that moment. Every other model lives on the wall clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from policies.errors import UnavailableError


@dataclass(frozen=True)
class SystemClock:
    def now(self, model: str) -> datetime:
        return datetime.now(UTC)

    def real_seconds_until(self, model: str, moment: datetime) -> float:
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())


@dataclass(frozen=True)
class ReplayClock:
    """Reads the replay's clock files; falls back to the wall clock for models without one."""

    folder: Path

    def now(self, model: str) -> datetime:
        tick = self._tick(model)
        return SystemClock().now(model) if tick is None else tick[0]

    def real_seconds_until(self, model: str, moment: datetime) -> float:
        tick = self._tick(model)
        if tick is None:
            return SystemClock().real_seconds_until(model, moment)
        now, rate = tick
        return max(0.0, (moment - now).total_seconds()) / rate

    def _tick(self, model: str) -> tuple[datetime, float] | None:
        path = self.folder / f"{model}.json"
        try:
            tick = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, json.JSONDecodeError) as error:
            raise UnavailableError(
                f"The replay clock {path.name} cannot be read.", advice="Run seatrial doctor."
            ) from error
        return datetime.fromisoformat(tick["now"]), float(tick["rate"])
