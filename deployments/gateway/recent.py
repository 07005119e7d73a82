"""What this process remembers of ids, to tell whoever posts outcomes what is odd about them.

Nothing is refused on its word: a prediction may have come from another replica, or from before
the last start. Memory is bounded: the least recently used ids are forgotten, and an outcome for
a forgotten one counts as unknown here. Evidence never reads this; it joins what is on file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple


class Posted(NamedTuple):
    """One outcome as it was posted; ``metric`` is ``None`` for a label."""

    id: str
    metric: str | None
    value: float


@dataclass
class Tally:
    """How many outcomes were taken, and how many of them were odd."""

    accepted: int = 0
    labels: int = 0
    metrics: int = 0
    unknown: int = 0  # their prediction has not been seen here, or not lately
    repeated: int = 0  # this id already had one: the first counts
    early: int = 0  # earlier than their prediction: they never count

    def add(self, other: Tally) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class Recent:
    """The last ``limit`` predictions, and as many outcomes, each by model and id."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._predicted: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._posted: OrderedDict[tuple[str, str, str | None], bool] = OrderedDict()
        self.total = Tally()

    def predicted(self, model: str, ids: Iterable[str], at: datetime) -> None:
        """Remember predictions; an outcome that had come before its prediction is early."""
        for id_ in ids:
            key = (model, id_)
            if key in self._predicted:
                self._predicted.move_to_end(key)
                continue
            self._predicted[key] = at
            if (model, id_, None) in self._posted:
                self.total.early += 1
        self._forget()

    def posted(self, model: str, outcomes: Sequence[Posted], at: datetime) -> Tally:
        """Count outcomes that are on file now."""
        tally = Tally(accepted=len(outcomes))
        for each in outcomes:
            tally.labels += each.metric is None
            tally.metrics += each.metric is not None
            self._count(tally, model, each, at)
        self._forget()
        self.total.add(tally)
        return tally

    def _count(self, tally: Tally, model: str, each: Posted, at: datetime) -> None:
        predicted = self._predicted.get((model, each.id))
        key = (model, each.id, each.metric)
        if predicted is None:
            tally.unknown += 1
        elif at < predicted:
            tally.early += 1
        if key in self._posted:
            tally.repeated += 1
            self._posted.move_to_end(key)
        else:
            self._posted[key] = True

    def _forget(self) -> None:
        while len(self._predicted) > self._limit:
            self._predicted.popitem(last=False)
        while len(self._posted) > self._limit:
            self._posted.popitem(last=False)
