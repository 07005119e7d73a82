"""The world of people whose year of insurance ends: did they see a doctor in it?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from deployments.demo.demo_world import DemoWorld, Trained
from deployments.demo.visits import INPUTS, TEXTS, drawn

if TYPE_CHECKING:
    import pandas as pd

    from deployments.demo.visit_models import VisitKind

FIRST_DAY, END = date(1974, 5, 1), date(1975, 1, 1)
TIME_ZONE = "America/New_York"  # of Dayton, Ohio, where the experiment began


def requests(folder: Path, seed: int) -> pd.DataFrame:
    """Everybody whose year ends; another seed draws other days and puts people into other arms."""
    return drawn(FIRST_DAY, END, TIME_ZONE, seed)


def trained(kinds: Sequence[str], folder: Path, seed: int) -> dict[str, Trained]:
    from deployments.demo.visit_models import train

    return {kind: train(cast("VisitKind", kind), seed) for kind in kinds}


VISITS = DemoWorld(
    family="doctor-visits",
    question="Has this person seen a doctor in the year that ends today?",
    owner="care management",
    package="statsmodels",
    inputs=MappingProxyType({name: "string" if name in TEXTS else "double" for name in INPUTS}),
    time_zone=TIME_ZONE,
    first_day=FIRST_DAY,
    end=END,
    requests=requests,
    train=trained,
)
