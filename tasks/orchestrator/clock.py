"""What time it is in the world a model lives in.

A model whose traffic is replayed lives on the replay's clock: the replay writes
``<folder>/<model>.json`` (``now`` and ``rate``, world seconds per real second) each time it has
sent everything up to that moment. Every other model lives on the wall clock.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from policies.errors import UnavailableError

_Tick = tuple[datetime, float]


@dataclass(frozen=True)
class SystemClock:
    def now(self, model: str) -> datetime:
        return datetime.now(UTC)

    def real_seconds_until(self, model: str, moment: datetime) -> float:
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())


@dataclass(frozen=True)
class ReplayClock:
    """Reads the replay's clock files; falls back to the wall clock for models without one.

    A file is asked for at every call and read when it is another one than before: the gateway
    asks for each request.
    """

    folder: Path
    _read: dict[str, tuple[tuple[int, ...], _Tick]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def now(self, model: str) -> datetime:
        tick = self._tick(model)
        return SystemClock().now(model) if tick is None else tick[0]

    def real_seconds_until(self, model: str, moment: datetime) -> float:
        tick = self._tick(model)
        if tick is None:
            return SystemClock().real_seconds_until(model, moment)
        now, rate = tick
        return max(0.0, (moment - now).total_seconds()) / rate

    def _tick(self, model: str) -> _Tick | None:
        path = f"{self.folder}/{model}.json"
        try:
            stat = os.stat(path)
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            held = self._read.get(model)
            if held is None or held[0] != seen:
                held = self._read[model] = (seen, _parsed(Path(path).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, json.JSONDecodeError) as error:
            raise UnavailableError(
                f"The replay clock {model}.json cannot be read.", advice="Run seatrial doctor."
            ) from error
        return held[1]


def _parsed(text: str) -> _Tick:
    tick = json.loads(text)
    return datetime.fromisoformat(tick["now"]), float(tick["rate"])
