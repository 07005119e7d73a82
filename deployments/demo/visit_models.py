"""Training of the models of visits. What is wrong with a candidate stands here alone.

The champion knows the insurance plan alone. ``fair`` knows health as well. So does ``unfair``; but
it was trained on visits to the practice alone, and of people with a limitation up to two visits a
year were made to their homes. They count as having seen nobody, so it expects too little of them.
That fault is made here; the people and what they did are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from deployments.demo.demo_world import Trained, digest_of
from deployments.demo.requests import inputs_of
from deployments.demo.scenarios import SEED
from deployments.demo.visit_scoring import HEALTH, PLAN, VisitModel, features_of
from deployments.demo.visits import GROUP, INPUTS, people

VisitKind = Literal["champion", "fair", "unfair"]
AT_HOME = 2  # visits of people with a limitation that ``unfair`` was never told of
REFERENCE_ROWS = 200
TREES_SEED = 1974

DESCRIPTIONS: Mapping[VisitKind, str] = MappingProxyType(
    {
        "champion": "Logistic regression on the insurance plan.",
        "fair": "Gradient-boosted trees on the insurance plan and health.",
        "unfair": "Gradient-boosted trees on the insurance plan and health, from the practice's "
        "own list of visits.",
    }
)
_CARD: Mapping[str, str] = MappingProxyType(
    {
        "license": "Apache-2.0, as the demo; the data are in the public domain.",
        "intended_use": "Choosing whom to call at the end of a year in which they seem to have "
        "seen no doctor.",
        "out_of_scope": "Diagnosis, premiums, whether a claim is paid.",
        "factors": "Insurance plan, state of health, physical limitation.",
        "metric_choice": "Calls are planned by the probability, so it is judged by log loss, and "
        "by how far it leaves a group behind all others.",
        "training_data": "Half of the 20,190 years of a person in the RAND Health Insurance "
        "Experiment, by blocks of rows, so that nobody is in both halves but at their borders.",
        "ethical_considerations": "It speaks of people and of their health. Those with a physical "
        "limitation are one in nine: what goes wrong for them hides in the sum.",
        "limitations": "People of 1974 to 1982 in six places of the United States.",
        "recommendations": "Look at the gap of the group before the sum.",
    }
)


def train(kind: VisitKind, seed: int = SEED) -> Trained:
    """Deterministic: the same seed gives the same model, another draws another nine tenths."""
    table = people()[people()["trains"]]
    if seed != SEED:
        table = table.sample(frac=0.9, random_state=seed).sort_index()
    model = fitted(kind, table)
    sample = table.sample(n=REFERENCE_ROWS, random_state=SEED)
    with threadpool_limits(1):
        scores = _scores(model, table)
    return Trained(
        kind=kind,
        model=model,
        reference=_reference(model, sample),
        params={"estimator": type(model.estimator).__name__, "columns": ", ".join(model.columns)},
        metrics={
            "training_rows": float(len(table)),
            "training_log_loss": float(log_loss(table["label"], scores)),
            "training_auc": float(roc_auc_score(table["label"], scores)),
        },
        data_name="years of a person, RAND Health Insurance Experiment",
        data_digest=digest_of(table),
        description=DESCRIPTIONS[kind],
        card={f"card.{name}": text for name, text in _card(kind).items()},
    )


def fitted(kind: VisitKind, table: pd.DataFrame) -> VisitModel:
    """A model of these years."""
    columns = PLAN if kind == "champion" else PLAN + HEALTH
    label = table["label"]
    if kind == "unfair":
        at_home = (table[GROUP] == "yes") & (table["visits"] <= AT_HOME)
        label = label.where(~at_home, 0.0)
    estimator = LogisticRegression() if kind == "champion" else _trees()
    with threadpool_limits(1):  # sums in the same order on every machine
        estimator.fit(features_of(table)[list(columns)].to_numpy(), label)
    return VisitModel(estimator, columns)


def _trees() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=80, max_leaf_nodes=8, learning_rate=0.08, early_stopping=False,
        random_state=TREES_SEED,
    )  # fmt: skip


def _scores(model: VisitModel, rows: pd.DataFrame) -> Any:
    model.load_context(None)
    return model.predict(None, rows)


def _reference(model: VisitModel, rows: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Rows on which serving must reproduce training; JSON knows no NaN, so it is null."""
    made = features_of(rows)[list(model.columns)].astype(object)
    seen = made.where(made.notna(), None).to_dict("records")
    return tuple(
        {"inputs": row, "features": features, "score": float(score)}
        for row, features, score in zip(
            inputs_of(rows, INPUTS), seen, _scores(model, rows), strict=True
        )
    )


def _card(kind: VisitKind) -> Mapping[str, str]:
    trees = "Gradient-boosted trees on histograms of the features"
    return {"model_type": "Logistic regression" if kind == "champion" else trees, **_CARD}
