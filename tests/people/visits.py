"""Real people, and three models of who sees a doctor within a year.

The people are those of the RAND Health Insurance Experiment (Cameron and Trivedi 2005), 20,190
years of a person with the plan they were insured by and their health, in the public domain and
shipped with statsmodels; its file is read, the package is not imported. Their order in time is not
known: the days on which they ask here are drawn.

The group is who has a physical limitation: ``yes``, ``no``, or ``unknown`` where the file holds a
share between 0 and 1 instead of an answer.

The champion knows the insurance plan alone. ``fair`` knows health as well. So does ``unfair``; but
it was trained on visits to the practice alone, and of people with a limitation up to two visits a
year were made to their homes. They count as having seen nobody, so it expects too little of them.
That fault is made here; the people and what they did are not.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

PLAN = ["coinsurance", "deductible"]
HEALTH = ["incentive", "expenditure", "chronic", "good", "fair", "poor", "limited"]
INPUTS = ["coinsurance", "deductible", "incentive", "expenditure", "chronic", "health",
          "limitation"]  # fmt: skip
BLOCK = 120  # years of one person stand together: blocks of rows train, or are held out
AT_HOME = 2  # visits of people with a limitation that ``unfair`` was never told of
SEED = 1974


@cache
def people() -> pd.DataFrame:
    """One row a person and year: ``INPUTS``, ``visits``, ``label`` and whether it ``trains``."""
    files = metadata.files("statsmodels") or []
    (file,) = [each for each in files if each.name == "randhie.csv" and "src" not in each.parts]
    raw = pd.read_csv(str(file.locate()))
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
            "limitation": limitation,
            "visits": raw.mdvis,
            "label": (raw.mdvis > 0).astype(float),
            "trains": np.arange(len(raw)) // BLOCK % 2 == 0,
        }
    )


@cache
def asking() -> pd.DataFrame:
    """The people that no model was trained on: those who ask."""
    return people()[~people()["trains"]].reset_index(drop=True)


@cache
def scores(kind: str) -> Any:
    """What a model says of everybody who may ask, in the order of ``asking``."""
    model, columns = trained(kind)
    return model.predict_proba(_features(asking())[columns])[:, 1]


@cache
def trained(kind: str) -> tuple[Any, list[str]]:
    from sklearn.linear_model import LogisticRegression

    seen = people()[people()["trains"]]
    if kind == "champion":
        return LogisticRegression().fit(_features(seen)[PLAN], seen["label"]), PLAN
    if kind in ("one half", "other half"):  # the same recipe, other people
        seen = seen[(np.arange(len(seen)) // BLOCK % 2 == 0) == (kind == "one half")]
    label = seen["label"]
    if kind == "unfair":
        at_home = (seen["limitation"] == "yes") & (seen["visits"] <= AT_HOME)
        label = label.where(~at_home, 0.0)
    return _trees().fit(_features(seen)[PLAN + HEALTH], label), PLAN + HEALTH


@cache
def losses(kind: str) -> Any:
    """The log loss of a model on everybody who may ask."""
    score, label = scores(kind), asking()["label"].to_numpy()
    return -np.log(np.where(label == 1.0, score, 1.0 - score))


def _trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=80, max_leaf_nodes=8, learning_rate=0.08, early_stopping=False, random_state=SEED
    )


def _features(rows: pd.DataFrame) -> pd.DataFrame:
    told = {name: (rows["health"] == name).astype(float) for name in ("good", "fair", "poor")}
    limited = rows["limitation"].map({"yes": 1.0, "no": 0.0, "unknown": np.nan})
    return rows[["coinsurance", "deductible", "incentive", "expenditure", "chronic"]].assign(
        **told, limited=limited
    )
