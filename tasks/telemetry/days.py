"""Local days as half-open spans of UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.errors import RefusedError
from policies.vocabulary import Adjustment

Day = tuple[datetime, datetime]  # start and end, UTC; 23 to 25 hours apart
Each = Literal["day", "hour"]
HOUR = timedelta(hours=1)


def spans(first: datetime, last: datetime, time_zone: str, each: Each) -> Sequence[Day]:
    """Local days, or whole hours, from the one that holds ``first`` to that of ``last``."""
    return local_days(first, last, time_zone) if each == "day" else hours(first, last)


def hours(first: datetime, last: datetime) -> Sequence[Day]:
    begin = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    count = int((last - begin) / HOUR) + 1
    return [(begin + n * HOUR, begin + (n + 1) * HOUR) for n in range(count)]


def local_days(first: datetime, last: datetime, time_zone: str) -> Sequence[Day]:
    """Every local day from the one that holds ``first`` to the one that holds ``last``."""
    zone = _zone(time_zone)
    day, end = first.astimezone(zone).date(), last.astimezone(zone).date()
    days = []
    while day <= end:
        days.append((_midnight(day, zone), _midnight(day + timedelta(days=1), zone)))
        day += timedelta(days=1)
    return days


def days_between(period: Adjustment, time_zone: str) -> Sequence[Day]:
    """The local days from ``since`` on that end by ``until``."""
    return local_days(period.since, period.until - timedelta(microseconds=1), time_zone)


def closed_days(days: Sequence[Day], horizon: timedelta, now: datetime) -> Sequence[Day]:
    """Days to which nothing can be added any more: ended, and every label's horizon has passed.

    A window that has been weighed must never change.
    """
    return [day for day in days if day[1] + horizon <= now]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise RefusedError(
            f"The time zone {name!r} is unknown.", advice="Use a name like America/New_York."
        ) from error
