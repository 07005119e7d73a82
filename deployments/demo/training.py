"""Training of the demo's champion and of the candidates that are tried against it.

The offline features are made here from a whole table with pandas; the serving code in
``scoring`` makes them again from single requests. That the two agree is for the trial to show.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from deployments.demo.card import card_tags
from deployments.demo.demo_world import Trained, digest_of
from deployments.demo.flights import INPUTS, TEXTS, between, labelled
from deployments.demo.recipes import FIRST_DAY, RECIPES, Kind, Recipe
from deployments.demo.requests import inputs_of
from deployments.demo.scenarios import SEED
from deployments.demo.scoring import RATES, CodedDelayModel, DelayModel, Sharpened

SMOOTHING_FLIGHTS = 50  # a destination seen once says little: pull it towards the overall rate
REFERENCE_ROWS = 200


def train(kind: Kind, flights: pd.DataFrame, seed: int = SEED) -> Trained:
    """Deterministic: the same flights and seed give the same model."""
    recipe = RECIPES[kind]
    table = training_table(recipe, flights, seed)
    made = Offline(recipe, table)
    features = made.features(table)
    matrix = made.matrix(features)
    estimator = _estimator(recipe, seed)
    with threadpool_limits(1):  # sums in the same order on every machine
        estimator.fit(matrix, table["label"].to_numpy())
        if recipe.sharpened:
            estimator = Sharpened(estimator)
        scores = estimator.predict_proba(matrix)[:, 1]
    model = made.serving(estimator)
    reference = _reference(table, features, scores)
    if recipe.seen_as_served:
        reference = _as_served(model, reference)
    return Trained(
        kind=kind,
        model=model,
        reference=reference,
        params={"estimator": type(estimator).__name__, "columns": ", ".join(recipe.columns)},
        metrics={
            "training_rows": float(len(table)),
            "training_log_loss": float(log_loss(table["label"], scores)),
            "training_auc": float(roc_auc_score(table["label"], scores)),
        },
        data_name=f"departures {table['day'].min()} to {table['day'].max()}",
        data_digest=digest_of(table),
        description=recipe.description,
        card=card_tags(linear=recipe.linear),
    )


class Offline:
    """The features as training makes them, from a whole table at once."""

    def __init__(self, recipe: Recipe, table: pd.DataFrame) -> None:
        self.recipe = recipe
        self.overall = float(table["label"].mean())
        self.rates = {column: _rates(table, column, self.overall) for column in self._rated()}
        often = table["carrier"].value_counts().index
        self.codes = {str(carrier): number for number, carrier in enumerate(often)}

    def features(self, table: pd.DataFrame) -> pd.DataFrame:
        """As people compare them: carriers that are coded appear by name."""
        return pd.DataFrame(
            {
                RATES[name] if name in self.rates else name: self._column(table, name)
                for name in self.recipe.columns
            }
        )

    def matrix(self, features: pd.DataFrame) -> Any:
        if "carrier" in features:
            features = features.assign(carrier=features["carrier"].map(self.codes))
        return features.to_numpy(dtype="float64")

    def serving(self, estimator: Any) -> DelayModel:
        recipe = self.recipe
        model = recipe.serving(estimator, recipe.columns, self.rates, self.overall)
        if isinstance(model, CodedDelayModel):
            model.codes = self.codes
        return model

    def _rated(self) -> list[str]:
        coded = issubclass(self.recipe.serving, CodedDelayModel)
        return [column for column in TEXTS if not (coded and column == "carrier")]

    def _column(self, table: pd.DataFrame, name: str) -> Any:
        if name in self.rates:
            return table[name].map(self.rates[name]).fillna(self.overall)
        return table[name] if name in TEXTS else table[name].astype("float64")


def training_table(recipe: Recipe, flights: pd.DataFrame, seed: int = SEED) -> pd.DataFrame:
    """Labelled flights of the recipe's days; another seed draws another nine tenths of them.

    A recipe that is drawn anew takes as many as there are, some of them twice.
    """
    table = between(labelled(flights), FIRST_DAY, recipe.last_day)
    if recipe.bootstrap:
        table = table.sample(frac=1.0, replace=True, random_state=seed)
    elif seed != SEED:
        table = table.sample(frac=0.9, random_state=seed)
    return table.reset_index(drop=True)


def _estimator(recipe: Recipe, seed: int) -> Any:
    if recipe.linear:
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    return HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)


def _rates(table: pd.DataFrame, column: str, overall: float) -> dict[str, float]:
    groups = table.groupby(column)["label"]
    late = groups.sum() + SMOOTHING_FLIGHTS * overall
    share = late / (groups.count() + SMOOTHING_FLIGHTS)
    return {str(value): float(rate) for value, rate in share.items()}


def _reference(
    table: pd.DataFrame, features: pd.DataFrame, scores: Any
) -> tuple[dict[str, Any], ...]:
    """Rows on which serving must reproduce training. The score is the offline one."""
    chosen = table.sample(n=REFERENCE_ROWS, random_state=SEED).index
    inputs = inputs_of(table.loc[chosen], INPUTS)
    made = features.loc[chosen].to_dict("records")
    return tuple(
        {"inputs": row, "features": seen, "score": float(scores[index])}
        for row, seen, index in zip(inputs, made, chosen, strict=True)
    )


def _as_served(
    model: DelayModel, reference: tuple[dict[str, Any], ...]
) -> tuple[dict[str, Any], ...]:
    """The same rows as the feature view shows them: offline and online then share its gaps."""
    rows = pd.DataFrame([row["inputs"] for row in reference])
    model.load_context(None)
    seen = model.predict(None, rows, {"features": True}).to_dict("records")
    scores = model.predict(None, rows)
    return tuple(
        {**row, "features": features, "score": float(score)}
        for row, features, score in zip(reference, seen, scores, strict=True)
    )
