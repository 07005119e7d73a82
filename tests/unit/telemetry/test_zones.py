"""Local times become UTC by arithmetic, as the world's own table has it."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.telemetry.zones import offsets

FIRST, LAST = (datetime.fromisoformat(day) for day in ("2010-01-02", "2044-12-30"))
ZONES = ("America/New_York", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")


def as_utc(local: datetime, time_zone: str) -> datetime:
    known = offsets(time_zone)
    place = bisect_right([start for start, _ in known], local) - 1
    return (local - known[place][1]).replace(tzinfo=UTC)


@given(st.sampled_from(ZONES), st.datetimes(FIRST, LAST))
def test_a_local_time_is_the_utc_it_was_made_from(time_zone: str, at: datetime) -> None:
    """At any time but in an hour that comes twice."""
    moment = at.replace(tzinfo=UTC)
    local = moment.astimezone(ZoneInfo(time_zone))
    assume(local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset())
    assert as_utc(local.replace(tzinfo=None), time_zone) == moment


def test_an_hour_that_comes_twice_is_the_first_and_one_left_out_is_not_been() -> None:
    twice = datetime.fromisoformat("2013-11-03T01:30")
    never = datetime.fromisoformat("2013-03-10T02:30")
    assert as_utc(twice, ZONES[0]) == datetime(2013, 11, 3, 5, 30, tzinfo=UTC)
    assert as_utc(never, ZONES[0]) == datetime(2013, 3, 10, 7, 30, tzinfo=UTC)
