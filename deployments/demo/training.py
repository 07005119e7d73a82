"""Training of the demo's champion and of the candidates that are tried against it.

The offline features are made here from a whole table with pandas; the serving code in
``scoring`` makes them again from single requests. That the two agree is for the trial to show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from deployments.demo.flights import TEXTS, between, labelled, rows_of
from deployments.demo.scoring import RATES, DelayModel, MetricDelayModel, SpringDelayModel

Kind = Literal["champion", "better", "unit_bug", "copy", "slightly_worse", "june_fault"]

FIRST_DAY = date(2013, 1, 1)
LAST_DAY = date(2013, 3, 31)  # the replay begins in May: April is nobody's training data
SMOOTHING_FLIGHTS = 50  # a destination seen once says little: pull it towards the overall rate
REFERENCE_ROWS = 200
SEED = 2013

PLAIN = ("carrier", "origin", "dest", "dow", "sched_hour", "distance")
# A line drawn through winter temperatures is meaningless in July, so the linear champion does
# without them; trees stay within what they have seen.
CHAMPION_COLUMNS = (*PLAIN, "wind_speed", "precip", "visib")
BETTER_COLUMNS = (*CHAMPION_COLUMNS, "temp", "dewp", "humid", "pressure")

DESCRIPTIONS: Mapping[Kind, str] = {
    "champion": "Logistic regression on schedule, route, wind, rain and visibility.",
    "better": "Gradient-boosted trees on schedule, route and all weather readings.",
    "unit_bug": "Gradient-boosted trees; serving code of the metric service.",
    "copy": "The champion's recipe on a bootstrap sample of the same flights.",
    "slightly_worse": "The champion's recipe on January alone.",
    "june_fault": "The champion's recipe on a bootstrap sample; serving code of the spring season.",
}
SERVING: Mapping[Kind, type[DelayModel]] = {
    "unit_bug": MetricDelayModel,
    "june_fault": SpringDelayModel,
}


@dataclass(frozen=True)
class Trained:
    """A model with everything its registration says about it."""

    kind: Kind
    model: DelayModel
    reference: tuple[dict[str, Any], ...]  # raw inputs, offline features, offline score
    params: dict[str, str]
    metrics: dict[str, float]
    data_name: str
    data_digest: str


def train(kind: Kind, flights: pd.DataFrame) -> Trained:
    """Deterministic: the same flights give the same model."""
    table = _training_table(kind, labelled(flights))
    rates, overall = _rates(table)
    columns = CHAMPION_COLUMNS if _is_linear(kind) else BETTER_COLUMNS
    features = offline_features(table, columns, rates, overall)
    estimator = _estimator(kind)
    with threadpool_limits(1):  # sums in the same order on every machine
        estimator.fit(features.to_numpy(), table["label"].to_numpy())
        scores = estimator.predict_proba(features.to_numpy())[:, 1]
    serving = SERVING.get(kind, DelayModel)
    return Trained(
        kind=kind,
        model=serving(estimator, columns, rates, overall),
        reference=_reference(table, features, scores),
        params={"estimator": type(estimator).__name__, "columns": ", ".join(columns)},
        metrics={
            "training_rows": float(len(table)),
            "training_log_loss": float(log_loss(table["label"], scores)),
            "training_auc": float(roc_auc_score(table["label"], scores)),
        },
        data_name=f"departures {table['day'].min()} to {table['day'].max()}",
        data_digest=_digest(table),
    )


def offline_features(
    table: pd.DataFrame,
    columns: tuple[str, ...],
    rates: Mapping[str, Mapping[str, float]],
    overall: float,
) -> pd.DataFrame:
    made = {
        RATES.get(name, name): table[name].map(rates[name]).fillna(overall)
        if name in rates
        else table[name].astype("float64")
        for name in columns
    }
    return pd.DataFrame(made)


def _is_linear(kind: Kind) -> bool:
    return kind not in ("better", "unit_bug")


def _estimator(kind: Kind) -> Any:
    if _is_linear(kind):
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    return HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=SEED)


def _training_table(kind: Kind, flights: pd.DataFrame) -> pd.DataFrame:
    last = date(2013, 1, 31) if kind == "slightly_worse" else LAST_DAY
    table = between(flights, FIRST_DAY, last)
    if kind in ("copy", "june_fault"):
        table = table.sample(frac=1.0, replace=True, random_state=SEED)
    return table.reset_index(drop=True)


def _rates(table: pd.DataFrame) -> tuple[dict[str, dict[str, float]], float]:
    overall = float(table["label"].mean())
    rates = {}
    for column in TEXTS:
        groups = table.groupby(column)["label"]
        late = groups.sum() + SMOOTHING_FLIGHTS * overall
        share = late / (groups.count() + SMOOTHING_FLIGHTS)
        rates[column] = {str(value): float(rate) for value, rate in share.items()}
    return rates, overall


def _reference(
    table: pd.DataFrame, features: pd.DataFrame, scores: Any
) -> tuple[dict[str, Any], ...]:
    """Rows on which serving must reproduce training. The score is the offline one."""
    chosen = table.sample(n=REFERENCE_ROWS, random_state=SEED).index
    inputs = rows_of(table.loc[chosen])
    made = features.loc[chosen].to_dict("records")
    return tuple(
        {"inputs": row, "features": seen, "score": float(scores[index])}
        for row, seen, index in zip(inputs, made, chosen, strict=True)
    )


def _digest(table: pd.DataFrame) -> str:
    """Of the rows and their order; 32 digits, as many as MLflow's field holds."""
    hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:32]
