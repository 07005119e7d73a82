"""What the release reads of the observations, as window summaries; rows only for samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from policies.vocabulary import Value, WindowPair


class Coverage(Value):
    """How complete the paired evidence is."""

    served: int  # rows served in the period
    both: int  # of those scored by both arms
    mature: int  # of those whose label horizon has passed
    labelled: int  # of the mature ones, with a label


class SampleRow(Value):
    inputs: dict[str, Any]
    label: float | None
    at: datetime


class Variety(Value):
    """What requests carried in one column on one local day."""

    column: str
    start: datetime
    n: int  # requests that carried a value
    distinct: int


class Exposure(Value):
    """How far users met the candidate."""

    requests: int = 0
    first_at: datetime | None = None
    first_fault_at: datetime | None = None


class Telemetry(Protocol):
    """``UnavailableError`` when the source does not answer: never an empty result instead."""

    def paired_windows(
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> tuple[Sequence[WindowPair], Coverage]:
        """Per local day and step: n, mean and M2 of the loss difference candidate - champion.

        Only days whose last row's horizon has passed at ``now`` (whole days, both arms); rows
        scored by both arms in the same release, with a label that arrived in time.
        """

    def segment_windows(
        self,
        release_id: str,
        metric: str,
        column: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> Mapping[str, Sequence[WindowPair]]:
        """``paired_windows`` by the value, as text, that a request carried in ``column``.

        Rows whose request is not known, or carried nothing there, belong to no segment.
        """

    def live_windows(
        self, release_id: str, metric: str, *, now: datetime, time_zone: str, slow_ms: float | None
    ) -> Sequence[WindowPair]:
        """Per local day and step with weight > 0: counts of errors (or slow answers) per arm.

        Candidate: rows it served. Champion: rows it scored, served or mirrored.
        """

    def exposure(self, release_id: str, slow_ms: float | None = None) -> Exposure:
        """What the candidate has answered for users (served, not mirrored).

        An answer that failed, or came later than ``slow_ms``, is a fault.
        """

    def varied(
        self, model: str, columns: Sequence[str], *, now: datetime, time_zone: str, days: int
    ) -> Sequence[Variety]:
        """How many requests and how many different values each of the last whole days had."""

    def sample(
        self, model: str, *, now: datetime, rows: int, since: datetime, horizon_hours: float
    ) -> Sequence[SampleRow]:
        """The newest served rows since ``since`` whose horizon has passed, with their labels."""
