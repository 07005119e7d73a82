"""Local times without a zone, as UTC: by arithmetic, so that no engine needs a zone table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 2010, 2045
Offset = tuple[datetime, timedelta]  # from this local time on, this far ahead of UTC


@lru_cache(maxsize=8)
def offsets(time_zone: str) -> Sequence[Offset]:
    """How far a zone is ahead of UTC, by the clock on its wall, in order.

    An hour that comes twice is taken as it came first; one that is left out as if it had not
    been. Whoever needs those hours exactly writes times with a zone.
    """
    zone = ZoneInfo(time_zone)
    at = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    found: list[Offset] = [(datetime.min, _ahead(at, zone))]  # noqa: DTZ901 - a local time
    while at.year < LAST_YEAR:
        later = at + timedelta(days=1)
        if _ahead(later, zone) != _ahead(at, zone):
            changes = _change(at, later, zone)
            before, after = _ahead(at, zone), _ahead(later, zone)
            found.append(((changes + max(before, after)).replace(tzinfo=None), after))
        at = later
    return tuple(found)


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset changes, by bisection."""
    before = _ahead(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if _ahead(middle, zone) == before else (low, middle)
    return high


def _ahead(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
