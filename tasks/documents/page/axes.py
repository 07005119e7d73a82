"""Where values lie on a chart: time along x, the measure along y, and the marks beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.documents.page import words

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NICE = (
    MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 182 * DAY, 364 * DAY,
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A stretch of time as the whole width of a chart."""

    start: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        """0 to 1; a stretch without length has everything in its middle."""
        length = (self.end - self.start).total_seconds()
        if length <= 0:
            return 0.5
        return min(1.0, max(0.0, (moment - self.start).total_seconds() / length))

    def ticks(self, most: int = 7) -> list[tuple[datetime, str]]:
        """Round moments within, and what is written at each."""
        length = self.end - self.start
        if length <= timedelta(0):
            return [(self.start, words.moment(self.start))]
        step = next((s for s in NICE if length / s <= most), length / most)
        anchor = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday
        first = math.ceil((self.start - anchor) / step)
        last = math.floor((self.end - anchor) / step)
        moments = [anchor + n * step for n in range(first, last + 1)]
        return [(each, _tick(each, step)) for each in moments]


def _tick(moment: datetime, step: timedelta) -> str:
    if step < DAY:
        return f"{moment:%H:%M}" if moment.hour or moment.minute else words.day(moment, year=False)
    if step >= 182 * DAY:
        return f"{moment:%b %Y}"
    return words.day(moment, year=False)


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` (at pixel ``bottom``) to ``high`` (at pixel ``top``)."""

    low: float
    high: float
    top: float
    bottom: float

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.bottom - min(1.0, max(0.0, part)) * (self.bottom - self.top)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, most: int = 5) -> list[float]:
        """Round values within."""
        rough = (self.high - self.low) / most
        tens = 10.0 ** math.floor(math.log10(rough))
        step = next(tens * n for n in (1, 2, 5, 10) if tens * n >= rough * 0.999)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [n * step for n in range(first, last + 1)]


def fitting(core: Sequence[float], wide: Sequence[float], top: float, bottom: float) -> Scale:
    """All of ``core``; of ``wide`` (whiskers) what does not squeeze the core together."""
    low, high = min(core), max(core)
    reach = (high - low) or abs(high) or 1.0
    low = max(min([low, *wide]), low - 0.3 * reach)
    high = min(max([high, *wide]), high + 0.3 * reach)
    room = 0.06 * ((high - low) or reach)
    return Scale(low - room, high + room, top, bottom)
