from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from deployments.demo.flights import INPUTS, between, build, labelled
from deployments.demo.requests import inputs_of

FLIGHTS = """\
year,month,day,dep_delay,arr_delay,carrier,flight,origin,dest,air_time,distance,hour,minute,time_hour
2013,3,9,2,16,UA,1,EWR,IAH,200,1400,6,30,2013-03-09T11:00:00Z
2013,3,10,-5,15,UA,1,EWR,IAH,200,1400,6,30,2013-03-10T10:00:00Z
2013,3,10,,,UA,2,EWR,IAH,,1400,7,0,2013-03-10T11:00:00Z
2013,3,10,0,0,UA,3,LGA,ORD,100,700,7,0,2013-03-10T11:00:00Z
"""
WEATHER = """\
origin,temp,dewp,humid,wind_speed,precip,pressure,visib,time_hour
EWR,40,30,60,10,0,1010,10,2013-03-09T11:00:00Z
EWR,50,31,61,1048.4,0.1,NA,9,2013-03-10T10:00:00Z
"""


@pytest.fixture
def flights(tmp_path: Path) -> pd.DataFrame:
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    (tmp_path / "weather.csv").write_text(WEATHER)
    return build(tmp_path / "flights.csv", tmp_path / "weather.csv")


def test_schedules_are_instants_across_the_clock_change(flights: pd.DataFrame) -> None:
    """Half past six is 11:30 UTC on 9 March 2013 and 10:30 the day after, in New York."""
    assert list(flights["asked_at"][:2]) == [
        datetime(2013, 3, 9, 11, 30, tzinfo=UTC),
        datetime(2013, 3, 10, 10, 30, tzinfo=UTC),
    ]
    assert list(flights["sched_hour"][:2]) == [6, 6]
    assert list(flights["dow"][:2]) == [5, 6]


def test_late_is_more_than_fifteen_minutes(flights: pd.DataFrame) -> None:
    """Sixteen minutes are late, fifteen are not, and what never arrived has no label."""
    assert list(flights["label"][:2]) == [1.0, 0.0]
    assert flights["label"].isna().tolist() == flights["label_known_at"].isna().tolist()
    assert len(labelled(flights)) == 2


def test_a_label_is_known_after_landing(flights: pd.DataFrame) -> None:
    """Schedule, plus the delay, the time in the air and taxiing: never before."""
    assert flights["label_known_at"][0] == datetime(2013, 3, 9, 15, 32, tzinfo=UTC)


def test_requests_have_no_gaps(flights: pd.DataFrame) -> None:
    """A missing or absurd reading is the airport's last one; no flight goes out without any."""
    assert list(flights["pressure"]) == [1010.0, 1010.0, 1010.0]
    assert list(flights["wind_speed"]) == [10.0, 10.0, 10.0]
    assert "LGA" not in set(flights["origin"])  # its weather was never observed
    assert not flights[INPUTS].isna().any().any()


def test_requests_carry_nothing_known_later(flights: pd.DataFrame) -> None:
    """Delay, air time and the label stay out of what a model is asked with."""
    row = inputs_of(flights, INPUTS)[0]
    assert set(row) == set(INPUTS)
    assert not {"dep_delay", "arr_delay", "air_time", "label"} & set(row)


def test_a_flight_number_is_one_unit_on_all_days(flights: pd.DataFrame) -> None:
    """Ids differ by day; the unit that sticks to one model does not."""
    assert list(flights["id"][:2]) == ["2013-03-09-EWR-UA1", "2013-03-10-EWR-UA1"]
    assert set(flights["unit"][:2]) == {"EWR-UA1"}
    assert len(between(flights, date(2013, 3, 10), date(2013, 3, 10))) == 2
