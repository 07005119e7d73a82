"""What one world of the demo is made of; whatever else a replay does is the same in each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Trained:
    """A model with everything its registration says about it."""

    kind: str
    model: Any  # an MLflow model; its module is pickled whole into the artefact
    reference: tuple[dict[str, Any], ...]  # raw inputs, offline features, offline score
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    data_name: str
    data_digest: str
    description: str
    card: Mapping[str, str]  # registry tags: what only its authors can say of it


def digest_of(table: pd.DataFrame) -> str:
    """Of the rows and their order; 32 digits, as many as MLflow's field holds."""
    from pandas.util import hash_pandas_object

    hashes = hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:32]


@dataclass(frozen=True)
class DemoWorld:
    """Who asks when, what is known of them later, and the models that answer.

    ``requests(folder, seed)`` is everybody who asks, in order of time: ``id``, ``unit``,
    ``asked_at`` and ``label_known_at`` (UTC; the latter NaT where it never is), ``label`` (NaN
    where nobody knows) and the ``inputs``. ``train(kinds, folder, seed)`` makes models by name.
    """

    family: str  # every model's name begins with it, and the policy of that name rules them
    question: str
    owner: str
    package: str  # ships the data
    inputs: Mapping[str, str]  # what a request carries, each with its type in a signature
    time_zone: str
    first_day: date
    end: date  # the first day on which nobody asks any more
    requests: Callable[[Path, int], pd.DataFrame]
    train: Callable[[Sequence[str], Path, int], dict[str, Trained]]

    @property
    def prefix(self) -> str:
        return f"{self.family}-"

    def midnight(self, day: date) -> datetime:
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.time_zone))
        return local.astimezone(UTC)
