"""What the release reads of the observations, as window summaries; rows only for samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from policies.vocabulary import (
    Adjustment,
    Bins,
    Counts,
    Histogram,
    PairMoments,
    Value,
    WindowPair,
)
from tasks.telemetry.days import Day, Each


class Coverage(Value):
    """How complete the paired evidence is."""

    served: int  # rows served in the period
    both: int  # of those scored by both arms
    mature: int  # of those whose label horizon has passed
    labelled: int  # of the mature ones, with a label


class Logged(Value):
    """How much of what one step of a release left in the log of predictions is there."""

    step: str
    lines: int  # of either arm, that can be read
    lost: int = 0  # of which those who write the log say that they are missing
    since: datetime | None = None  # the first and the last of those
    until: datetime | None = None


class SampleRow(Value):
    inputs: dict[str, Any]
    label: float | None
    at: datetime


class Variety(Value):
    """What requests carried in one column on one local day."""

    column: str
    start: datetime
    n: int  # requests that carried a value
    distinct: int  # values, those of different groups counted apart
    groups: int = 1


class Exposure(Value):
    """How far users met the candidate."""

    requests: int = 0
    first_at: datetime | None = None
    first_fault_at: datetime | None = None


class Answered(NamedTuple):
    """One request that a user got this version's answer to."""

    id: str
    unit: str | None
    at: datetime
    release: str | None
    step: str
    score: float


class LogCounts(Value):
    """Additive: how many answers took how long, by buckets of a fixed logarithmic width."""

    counts: Mapping[int, int]  # by place; ``tasks.telemetry.log_buckets`` says where each ends
    unknown: int = 0  # answers of which nobody knows how long they took


class UnitMetric(Value):
    """A business metric of one unit (whoever is randomised), as a guardrail declares it."""

    name: str
    horizon_hours: float  # values later than this after their prediction do not count
    cap: float  # no unit counts for more than this, up or down
    without_value: Literal["zero", "left_out"]  # a unit for which nothing was posted
    adjustment: Adjustment | None = None  # by what the unit brought before


class UnitHistory(Value):
    """What units brought on two stretches of days before a release."""

    pairs: PairMoments  # of units served in both; x: a day of the first, y: one of the second
    known: int  # units served in the second
    mean: float  # what a day of those brought, averaged over them


class UnitRatio(Value):
    """Two sums of one unit, as a guardrail declares them."""

    name: str
    per: str | None  # another metric; None: the answered requests
    horizon_hours: float  # values later than this after their prediction do not count
    cap: float  # no unit counts for more of ``name`` than this, up or down
    without_value: Literal["zero", "left_out"]  # a unit for which nothing of ``name`` was posted


class AgeShare(Value):
    """Served rows of one age, and how many of them have a label by now."""

    days_old: int  # whole days; the last one holds all that are older
    rows: int
    labelled: int


class ArmSeen(Value):
    arm: str
    scored: int
    served: int


class MetricSeen(Value):
    metric: str
    values: int
    unknown: int


class Survey(Value):
    """What a source holds of one model in a period: for a person to look at, not to judge by."""

    model: str
    lines: int  # predictions, of either arm
    lost: int = 0  # that are known not to be there
    served: int  # rows that were answered
    newest: datetime | None = None
    repeated: int = 0  # lines beyond the first of a row and arm
    failed: int = 0
    bad_scores: int = 0  # neither failed nor a probability: missing, NaN, out of range
    without_unit: int = 0
    from_the_future: int = 0  # predictions and labels later than now
    labels: int = 0
    unknown_labels: int = 0  # of no prediction that is there
    repeated_labels: int = 0
    early_labels: int = 0  # before their prediction
    late_labels: int = 0  # after the horizon
    lag_median_hours: float | None = None
    lag_p99_hours: float | None = None
    mature: int = 0  # rows whose label horizon has passed
    mature_labelled: int = 0  # of those, with a label that came in time
    ages: tuple[AgeShare, ...] = ()
    arms: tuple[ArmSeen, ...] = ()  # of the live release, where there is one
    metrics: tuple[MetricSeen, ...] = ()


class Inspection(Protocol):
    """The same source, asked how it is."""

    def survey(
        self,
        model: str,
        *,
        release_id: str | None,
        since: datetime,
        now: datetime,
        horizon_hours: float,
    ) -> Survey:
        """Counts over the rows of a model from ``since`` on. Sums only, computed at the source."""


class Telemetry(Protocol):
    """``UnavailableError`` when the source does not answer: never an empty result instead."""

    def looking(self, model: str) -> AbstractContextManager[Telemetry]:
        """One reading for several questions about one model: all of them see the same rows."""

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

    def served_losses(
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        horizon_hours: float,
        time_zone: str,
    ) -> tuple[Sequence[WindowPair], Coverage]:
        """Per local day and step with live traffic: moments of the loss of what each arm answered.

        One value a unit and step: the mean loss of its rows, with a label in time, of the day on
        which it was first answered there; a unit that both arms answered that day counts for
        neither. Only days whose last row's horizon has passed. Labels are covered as in the arm
        that has fewer of its own.
        """

    def logged(self, release_id: str, *, now: datetime) -> Sequence[Logged]:
        """Lines that are there, and lines that are known to be lost, by step."""

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
        self,
        release_id: str,
        metric: str,
        *,
        now: datetime,
        time_zone: str,
        slow_ms: float | None,
        each: Each = "day",
    ) -> Sequence[WindowPair]:
        """Per local day (or hour) and step with weight > 0: errors (or slow answers) per arm.

        Candidate: rows it served. Champion: rows it scored, served or mirrored.
        """

    def mirrored_windows(
        self,
        release_id: str,
        *,
        now: datetime,
        time_zone: str,
        each: Each = "day",
        alone: bool = True,
    ) -> Sequence[WindowPair]:
        """Per local day (or hour) and step without live traffic: failures on the same rows.

        Both arms count the rows that both were asked for. ``alone``: a row that both failed on
        tells nothing of their difference (McNemar 1947), and is an event of neither.
        """

    def unit_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        """Per local day and step with live traffic: moments of a business metric in each arm.

        One value a unit and step: what it brought on the day on which it was first answered
        there, capped. Later days of the same unit would repeat what randomisation dealt its arm
        by chance. Only days to which nothing can be added any more, and only windows for which
        something was posted; a unit that both arms answered in a window counts for neither.
        ``metric.adjustment``: each value is told apart from what its unit brought before;
        ``EvidenceError`` where the source no longer holds what it held when that was settled.
        Here and wherever values are summed, one that is not finite is an ``EvidenceError``.
        """

    def unit_history(
        self, model: str, metric: UnitMetric, *, before: Sequence[Day], then: Sequence[Day]
    ) -> UnitHistory:
        """By unit and local day on which it was served and, where ``metric`` leaves out silence,
        something was posted of it; each day capped.

        x: what a day of ``before`` brought on average; y: what the first one of ``then`` brought.
        Rows of a split do not count, whoever answered: units meet the same arm in every release
        of a model, and what one candidate did to them is no habit of theirs.
        """

    def missing_windows(
        self, release_id: str, metric: UnitMetric, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        """Of the units and windows of ``unit_windows``: how many there were, and how many of them
        nothing was posted of (``events``), in each arm."""

    def ratio_windows(
        self, release_id: str, metric: UnitRatio, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        """As ``unit_windows``: two sums a unit, with how they vary together.

        From the shadow on, where the champion alone answers: that is what a ratio is compared at.
        """

    def assigned_windows(
        self, release_id: str, *, now: datetime, time_zone: str
    ) -> Sequence[WindowPair]:
        """Per local day and step with a split: randomised units by the arm asked for them first.

        A unit counts once a step, on its first day there, and for the candidate also where that
        failed and the champion answered in its place. ``n`` are units; there are no events.
        """

    def answered(self, model: str, version: str) -> Iterator[Answered]:
        """Every request that was answered by this version, once each, the earliest first.

        Also those that it answered in the place of an arm that failed, where the source tells. For
        people: to repair what follows from the answers, and to keep them out of training.
        """

    def exposure(self, release_id: str, slow_ms: float | None = None) -> Exposure:
        """What the candidate has answered for users (served, not mirrored).

        An answer that failed, or came later than ``slow_ms``, is a fault.
        """

    def varied(
        self,
        model: str,
        columns: Sequence[str],
        *,
        by: str | None = None,
        now: datetime,
        time_zone: str,
        days: int,
    ) -> Sequence[Variety]:
        """How many requests and how many different values each of the last whole days had.

        ``by``: a column whose values have readings of their own.
        """

    def served_faults(
        self, model: str, metric: str, *, since: datetime, now: datetime, slow_ms: float | None
    ) -> Counts:
        """Errors (or slow answers) of everything served for a model, whoever answered."""

    def bins(self, model: str, column: str | None, *, since: datetime, until: datetime) -> Bins:
        """How to count a column, from what requests carried in it; ``until`` is not in it.

        Deciles where every value reads as a number, else the most frequent texts. ``None``: the
        scores of the champion, those of its answers alone.
        """

    def histogram(self, model: str, bins: Bins, *, since: datetime, until: datetime) -> Histogram:
        """The same column counted by these bins: each request of the period once, as it first was.

        Periods that follow one another add up.
        """

    def latency_counts(self, model: str, *, since: datetime, until: datetime) -> LogCounts:
        """How long users waited for answers of what was not on trial; ``until`` is not in it.

        Each request once, as it was first answered. Failures are not waited for.
        """

    def sample(
        self, model: str, *, now: datetime, rows: int, since: datetime, horizon_hours: float
    ) -> Sequence[SampleRow]:
        """The newest served rows since ``since`` whose horizon has passed, with their labels."""


class Source(Telemetry, Inspection, Protocol):
    """What every adapter is: asked by releases, and asked how it is."""
