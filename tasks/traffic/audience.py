"""Who belongs to the audience of a step: the units that may meet the candidate at all.

The rule is the same in the flag document, where other readers evaluate it from ``segment``,
``region`` and ``local_hour`` of their context. Who tells neither segment nor region belongs to no
audience that asks for them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.vocabulary import Audience

Rule = dict[str, Any]


def belongs(
    audience: Audience | None, segment: str | None, region: str | None, now: datetime
) -> bool:
    """``now`` is turned into the audience's own local time."""
    if audience is None:
        return True
    return (
        (not audience.segments or segment in audience.segments)
        and (not audience.regions or region in audience.regions)
        and _is_in_hours(audience, local_hour(audience, now))
    )


def has_zone(audience: Audience) -> bool:
    """Whether this machine knows its time zone: asking for an hour of it fails otherwise."""
    try:
        ZoneInfo(audience.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is a directory
        return False
    return True


def local_hour(audience: Audience, now: datetime) -> int:
    return now.astimezone(ZoneInfo(audience.time_zone)).hour


def rule_of(audience: Audience) -> Rule:
    """The condition in JsonLogic, as flagd evaluates it."""
    parts: list[Rule] = []
    if audience.segments:
        parts.append({"in": [{"var": "segment"}, list(audience.segments)]})
    if audience.regions:
        parts.append({"in": [{"var": "region"}, list(audience.regions)]})
    if audience.hours is not None:
        first, end = audience.hours
        both: list[Rule] = [
            {">=": [{"var": "local_hour"}, first]},
            {"<": [{"var": "local_hour"}, end]},
        ]
        parts.append({"and" if first < end else "or": both})
    return {"and": parts}


def _is_in_hours(audience: Audience, hour: int) -> bool:
    if audience.hours is None:
        return True
    first, end = audience.hours
    return first <= hour < end if first < end else hour >= first or hour < end
