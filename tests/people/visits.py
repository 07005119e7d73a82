"""What the demo's models of visits say of everybody who may ask, and what they lose by it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from deployments.demo.visit_models import VisitKind, fitted
from deployments.demo.visits import BLOCK, asking, people

Half = {"one half": True, "other half": False}  # ``fair`` again: the same recipe, other people


@cache
def scores(kind: str) -> Any:
    """In the order of ``asking``."""
    seen = people()[people()["trains"]]
    recipe: VisitKind = "fair"
    if kind in Half:
        seen = seen[(np.arange(len(seen)) // BLOCK % 2 == 0) == Half[kind]]
    else:
        recipe = kind  # type: ignore[assignment]
    model = fitted(recipe, seen)
    model.load_context(None)
    return model.predict(None, asking())


@cache
def losses(kind: str) -> Any:
    """The log loss of a model on everybody who may ask."""
    score, label = scores(kind), asking()["label"].to_numpy()
    return -np.log(np.where(label == 1.0, score, 1.0 - score))
