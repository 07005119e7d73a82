"""The clock of a replayed world: a small file that only its replay writes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

SMOOTHING = 0.01  # weight of the newest step: four days are remembered, nights and all
FIRST_GUESS = 86_400.0  # world seconds per real second until something was measured: a day


@dataclass
class WorldClock:
    """``rate`` is measured over steps of sending; time spent waiting for a look is left out."""

    path: Path
    rate: float = FIRST_GUESS

    def read(self) -> datetime | None:
        try:
            return datetime.fromisoformat(json.loads(self.path.read_text())["now"])
        except FileNotFoundError:
            return None

    def tick(self, now: datetime) -> None:
        """Readers see the old moment or the new one, never half a file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.write_text(json.dumps({"now": now.astimezone(UTC).isoformat(), "rate": self.rate}))
        draft.replace(self.path)

    def measure(self, world: timedelta, real_seconds: float) -> None:
        """Average the seconds a world second costs; an average of rates would favour the idle."""
        cost = max(real_seconds, 1e-6) / world.total_seconds()
        self.rate = 1.0 / ((1.0 - SMOOTHING) / self.rate + SMOOTHING * cost)
