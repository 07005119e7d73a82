"""Real people, and who of them saw a doctor within a year.

The people are those of the RAND Health Insurance Experiment (1974 to 1982; Cameron and Trivedi
2005): 20,190 years of a person with the plan they were insured by and their health, in the public
domain and shipped with statsmodels. Its file is read, the package is not imported.

The file knows years, not days. In the replayed world the year of a person ends on a day that is
drawn, a model is asked that day whether they saw a doctor in it, and the claims that tell arrive
hours or days later, drawn as well. Who they are and what they did is recorded.

The group is who has a physical limitation: ``yes``, ``no``, or ``unknown`` where the file holds a
share between 0 and 1 instead of an answer.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from policies.errors import RefusedError

GROUP = "physical_limitation"
TEXTS = ["health", GROUP]
NUMBERS = ["coinsurance", "deductible", "incentive", "expenditure", "chronic"]
INPUTS = [*NUMBERS, *TEXTS]  # what a request carries, and nothing known later
BLOCK = 120  # years of one person stand together: blocks of rows train, or are held out

A_DAY = 720  # years that end, spread evenly over the day
DAYS_DIFFER = 0.5  # by how much the log odds to come change between days, a deviation of chronic
SOONEST_HOURS, LATEST_HOURS = 6, 71  # until the claims of a year are in


@cache
def people() -> pd.DataFrame:
    """One row a person and year: ``INPUTS``, ``visits``, ``label`` and whether it ``trains``."""
    raw = pd.read_csv(_source("randhie.csv"))
    health = np.select(
        [raw.hlthg == 1, raw.hlthf == 1, raw.hlthp == 1],
        ["good", "fair", "poor"],
        "excellent",
    )
    limitation = np.select([raw.physlm == 0, raw.physlm == 1], ["no", "yes"], "unknown")
    return pd.DataFrame(
        {
            "coinsurance": raw.lncoins,
            "deductible": raw.idp.astype(float),
            "incentive": raw.lpi,
            "expenditure": raw.fmde,
            "chronic": raw.disea,
            "health": health,
            GROUP: limitation,
            "visits": raw.mdvis,
            "label": (raw.mdvis > 0).astype(float),
            "trains": np.arange(len(raw)) // BLOCK % 2 == 0,
        }
    )


@cache
def asking() -> pd.DataFrame:
    """The people that no model was trained on: those who ask."""
    return people()[~people()["trains"]].reset_index(drop=True)


def of_one_day(rng: np.random.Generator) -> Any:
    """Rows of ``asking`` whose year ends that day: some days bring the ill, others the well."""
    chronic = asking()["chronic"].to_numpy()
    ill = (chronic - chronic.mean()) / chronic.std()
    odds = np.exp(rng.normal(0.0, DAYS_DIFFER) * ill)
    return rng.choice(len(ill), A_DAY, p=odds / odds.sum())


def drawn(first: date, end: date, time_zone: str, seed: int) -> pd.DataFrame:
    """Everybody who asks on these days, in order of time; a year may be drawn more than once."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(first, end, inclusive="left", tz=time_zone)
    who = np.concatenate([of_one_day(rng) for _ in days])
    number = np.tile(np.arange(A_DAY), len(days))
    asked_at = days.repeat(A_DAY).tz_convert("UTC") + pd.to_timedelta(number * 120, unit="s")
    late = pd.to_timedelta(rng.integers(SOONEST_HOURS, LATEST_HOURS + 1, len(who)), unit="h")
    identity = {
        "id": [f"{day:%Y-%m-%d}-{n:03}" for day in days for n in range(A_DAY)],
        "unit": [f"{seed}:{row}" for row in who],
        "asked_at": asked_at,
        "label_known_at": asked_at + late,
    }
    return pd.concat(
        [pd.DataFrame(identity), asking().iloc[who][["label", *INPUTS]].reset_index(drop=True)],
        axis=1,
    )


def _source(name: str) -> Path:
    try:
        files = metadata.files("statsmodels") or []
    except metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name == name]
    found = [path for path in found if "src" not in path.parts and path.is_file()]
    if not found:
        raise RefusedError(
            f"The demo's data file {name} is not installed.",
            advice="Install the locked packages again: statsmodels brings the file.",
        )
    return found[0]
