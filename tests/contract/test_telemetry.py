"""One suite for every telemetry: events in lists, and the same events in a spool folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from policies.errors import EvidenceError, RefusedError, UnavailableError
from policies.vocabulary import Adjustment, Bins, Counts, Moments, PairMoments, WindowPair
from tasks.evidence.gap import against_others
from tasks.telemetry.adapters.ibis import IbisTelemetry
from tasks.telemetry.adapters.mapped import MappedTelemetry
from tasks.telemetry.adapters.memory import MemoryTelemetry
from tasks.telemetry.days import Day, Each, local_days
from tasks.telemetry.log_buckets import bucket_of, end_of
from tasks.telemetry.ports import (
    AgeShare,
    ArmSeen,
    Coverage,
    Exposure,
    Inspection,
    LogCounts,
    Logged,
    MetricSeen,
    Source,
    Survey,
    Telemetry,
    UnitHistory,
    UnitMetric,
    UnitRatio,
)
from tests.contract.own_tables import in_own_tables

Event = dict[str, Any]

Make = Callable[..., Source]
KINDS = ("predictions", "outcomes", "inputs", "metrics", "drops")
RELEASE, MODEL, ZONE = "r1", "flight-delay", "America/New_York"
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)  # in New York
TYPES = {
    "weight_bp": pyarrow.int64(), "revision": pyarrow.int64(), "served": pyarrow.bool_(),
    "score": pyarrow.float64(), "latency_ms": pyarrow.float64(), "label": pyarrow.float64(),
    "value": pyarrow.float64(), "lines": pyarrow.int64(),
}  # fmt: skip


def score(row_id: str, arm: str, at: datetime, value: float | None = 0.5, **more: Any) -> Event:
    return {
        "at": at.isoformat(timespec="microseconds"), "model": MODEL, "release": RELEASE,
        "step": "shadow", "revision": 1, "weight_bp": 0, "id": row_id, "unit": row_id,
        "arm": arm, "version": "1", "served": arm == "champion", "score": value,
        "error": None if value is not None else "failed", "latency_ms": 3.0, "replica": "a",
        **more,
    }  # fmt: skip


def pair(row_id: str, at: datetime, champion: float, candidate: float, **more: Any) -> list[Event]:
    later = at + timedelta(milliseconds=2)
    return [score(row_id, "champion", at, champion, **more),
            score(row_id, "candidate", later, candidate, **{**more, "served": False})]  # fmt: skip


def label(row_id: str, at: datetime, value: float | None = 1.0) -> Event:
    return {"at": at.isoformat(timespec="microseconds"), "model": MODEL, "id": row_id,
            "label": value}  # fmt: skip


def request(row_id: str, at: datetime, inputs: dict[str, Any]) -> Event:
    return {"at": at.isoformat(timespec="microseconds"), "model": MODEL, "id": row_id,
            "inputs": inputs}  # fmt: skip


def posted(row_id: str, at: datetime, value: float | None, metric: str = "revenue") -> Event:
    return {"at": at.isoformat(timespec="microseconds"), "model": MODEL, "id": row_id,
            "metric": metric, "value": value}  # fmt: skip


def write_text(spool: Path, kind: str, sequence: int, events: Sequence[Event]) -> Path:
    path = spool / kind / f"{kind}-a-{sequence:08d}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def write_parquet(spool: Path, kind: str, sequence: int, events: Sequence[Event]) -> Path:
    path = spool / kind / f"{kind}-a-{sequence:08d}.parquet"
    rows = [{**e, "inputs": json.dumps(e["inputs"])} if "inputs" in e else e for e in events]
    schema = pyarrow.schema([(name, TYPES.get(name, pyarrow.string())) for name in rows[0]])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)
    return path


def _in_spool(spool: Path, form: str, **events: Sequence[Event]) -> IbisTelemetry:
    for kind in KINDS:
        (spool / kind).mkdir(parents=True, exist_ok=True)
        rows = list(events.get(kind, ()))
        if form == "text":
            write_text(spool, kind, 1, rows)
            continue
        half = len(rows) // 2  # the older half has become Parquet, its text file still lies there
        if rows[:half]:
            write_text(spool, kind, 1, rows[:half])
            write_parquet(spool, kind, 1, rows[:half])
        torn = write_text(spool, kind, 2, rows[half:])
        with torn.open("a") as file:
            file.write('{"at": "2013-05-01T04:00:00.000000+00:00", "model": "fli')
    return IbisTelemetry(spool)


@pytest.fixture(params=["memory", "text", "mixed", "mapped"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A telemetry over the events given: lists, text files, Parquet and a torn text file, or a
    team's own tables."""
    if request.param == "memory":
        return lambda **events: MemoryTelemetry(**{k: list(v) for k, v in events.items()})
    if request.param == "mapped":
        return lambda **events: in_own_tables(tmp_path, **events)
    return lambda **events: _in_spool(tmp_path / "spool", request.param, **events)


def paired(
    telemetry: Telemetry, now: datetime, metric: str = "log_loss", hours: float = 12
) -> tuple[list[WindowPair], Coverage]:
    windows, coverage = telemetry.paired_windows(
        RELEASE, metric, now=now, horizon_hours=hours, time_zone=ZONE
    )
    return list(windows), coverage


def live(
    telemetry: Telemetry,
    now: datetime,
    metric: str = "error",
    slow_ms: float | None = None,
    each: Each = "day",
) -> list[tuple[datetime, str, Counts | None, Counts | None]]:
    windows = telemetry.live_windows(
        RELEASE, metric, now=now, time_zone=ZONE, slow_ms=slow_ms, each=each
    )
    return [(w.start, w.step, w.champion, w.candidate) for w in windows]


LATER = MIDNIGHT + timedelta(days=30)
NOON = MIDNIGHT + timedelta(hours=12)
HOUR = timedelta(hours=1)


def test_nothing_seen_is_nothing(make: Make) -> None:
    """A source that answers and has no events: no windows, no exposure, no sample."""
    telemetry = make()
    assert paired(telemetry, LATER) == ([], Coverage(served=0, both=0, mature=0, labelled=0))
    assert live(telemetry, LATER) == []
    assert telemetry.exposure(RELEASE) == Exposure()
    assert assigned(telemetry) == [] == ratios(telemetry) == missing(telemetry)
    assert list(telemetry.sample(MODEL, now=LATER, rows=9, since=MIDNIGHT, horizon_hours=1)) == []


def test_a_lost_source_is_not_an_empty_one(tmp_path: Path) -> None:
    """A folder that is not there, or a source that is down, is UnavailableError."""
    for telemetry in (IbisTelemetry(tmp_path / "none"), MemoryTelemetry(down=True)):
        with pytest.raises(UnavailableError):
            paired(telemetry, LATER)
        with pytest.raises(UnavailableError):
            live(telemetry, LATER)
        with pytest.raises(UnavailableError):
            telemetry.exposure(RELEASE)
        with pytest.raises(UnavailableError):
            units(telemetry)
        with pytest.raises(UnavailableError):
            telemetry.latency_counts(MODEL, since=MIDNIGHT, until=LATER)
        with pytest.raises(UnavailableError):
            assigned(telemetry)
        with pytest.raises(UnavailableError):
            ratios(telemetry)
        with pytest.raises(UnavailableError):
            missing(telemetry)
        with pytest.raises(UnavailableError):
            survey(telemetry)
        with pytest.raises(UnavailableError):
            telemetry.sample(MODEL, now=LATER, rows=9, since=MIDNIGHT, horizon_hours=1)
        with pytest.raises(UnavailableError):
            telemetry.bins(MODEL, None, since=MIDNIGHT, until=LATER)
        with pytest.raises(UnavailableError):
            telemetry.histogram(MODEL, Bins(), since=MIDNIGHT, until=LATER)


def test_rows_outside_of_an_audience_are_no_mirrored_trial(make: Make) -> None:
    """At a step with users they met nothing of the candidate, and say nothing of the step."""
    outside = {"step": "canary 100 % of staff", "weight_bp": 0}
    telemetry = make(predictions=[*pair("a", NOON, 0.5, 0.6, **outside),
                                  *pair("b", NOON, 0.5, 0.6)])  # fmt: skip
    windows = telemetry.mirrored_windows(RELEASE, now=LATER, time_zone=ZONE)
    assert [(w.step, w.champion and w.champion.n) for w in windows] == [("shadow", 1)]


def test_whom_a_version_has_answered(make: Make) -> None:
    """Once each, the earliest first: what was given to somebody, also in another's place."""
    two = {"version": "2", "served": True}
    telemetry = make(
        predictions=[
            score("late", "candidate", NOON + HOUR, 0.7, unit="u1", step="canary", **two),
            score("given", "candidate", NOON, 0.6, unit="u2", **two),
            score("given", "candidate", NOON + HOUR, 0.6, unit="u2", **two),  # sent again
            score("compared", "candidate", NOON, 0.6, version="2", served=False),
            score("compared", "champion", NOON, 0.5),
            score("failed", "candidate", NOON, None, **two),
            score("failed", "champion", NOON, 0.4, served=False, reason="fallback:it broke"),
            score("killed", "champion", NOON, 0.4, served=False),  # and then nobody was given it
            score("killed", "error", NOON, None, version="9", served=True),
            score("given", "champion", NOON, 0.5, served=False),
            score("other", "candidate", NOON, 0.6, **two, model="another"),
        ]
    )
    found = [(a.id, a.unit, a.at, a.step, a.score) for a in telemetry.answered(MODEL, "2")]
    assert found == [
        ("given", "u2", NOON, "shadow", 0.6),
        ("late", "u1", NOON + HOUR, "canary", 0.7),
    ]
    tells = not isinstance(telemetry, MappedTelemetry)  # no table of one's own says in whose place
    wanted = ["compared", "failed"] if tells else ["compared"]
    assert [a.id for a in telemetry.answered(MODEL, "1")] == wanted
    assert list(telemetry.answered(MODEL, "3")) == []


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    """A complete line that is no JSON is refused: it might be every second row."""
    spool = tmp_path / "spool"
    telemetry = _in_spool(spool, "text", predictions=pair("a", NOON, 0.5, 0.6))
    with write_text(spool, "predictions", 2, []).open("a") as file:
        file.write("not json\n" + json.dumps(score("b", "champion", NOON)) + "\n")
    with pytest.raises(RefusedError):
        telemetry.exposure(RELEASE)


def test_differences_of_losses_by_day(make: Make) -> None:
    """Candidate minus champion, greater is worse: mean and squared deviations of each day."""
    rows = [*pair("a", NOON, 0.5, 0.25), *pair("b", NOON, 0.5, 1.0),
            *pair("c", NOON + 24 * HOUR, 0.2, 0.4)]  # fmt: skip
    labels = [label("a", NOON + HOUR, 1.0), label("b", NOON + HOUR, 1.0),
              label("c", NOON + 25 * HOUR, 0.0)]  # fmt: skip
    telemetry = make(predictions=rows, outcomes=labels)
    windows, coverage = paired(telemetry, LATER, "brier")
    assert coverage == Coverage(served=3, both=3, mature=3, labelled=3)
    assert [(w.start, w.step) for w in windows] == [
        (MIDNIGHT, "shadow"), (MIDNIGHT + 24 * HOUR, "shadow")]  # fmt: skip
    first, second = (w.paired for w in windows)
    assert first is not None and second is not None
    differences = (0.75**2 - 0.25, 0.0 - 0.25)
    assert first.mean == pytest.approx(sum(differences) / 2)
    assert first.m2 == pytest.approx((differences[0] - differences[1]) ** 2 / 2)
    assert (second.n, second.m2) == (1, 0.0)
    assert second.mean == pytest.approx(0.16 - 0.04)


def test_certain_and_wrong_is_bad_but_finite(make: Make) -> None:
    """A score of zero for what happened costs 34.5, not infinity."""
    telemetry = make(predictions=pair("a", NOON, 1.0, 0.0), outcomes=[label("a", NOON + HOUR)])
    (window,), _ = paired(telemetry, LATER)
    assert window.paired is not None
    assert window.paired.mean == pytest.approx(34.538776394910684, rel=1e-9)


def test_repeated_lines_are_one_row(make: Make) -> None:
    """A row sent twice, scored by two replicas or labelled twice counts once, as it first was."""
    rows = [*pair("a", NOON, 0.5, 0.6), *pair("a", NOON + HOUR, 0.9, 0.1)]
    labels = [label("a", NOON + HOUR, 1.0), label("a", NOON + 2 * HOUR, 0.0)]
    windows, coverage = paired(make(predictions=rows, outcomes=labels), LATER, "brier")
    assert coverage == Coverage(served=1, both=1, mature=1, labelled=1)
    assert windows[0].paired is not None
    assert windows[0].paired.n == 1
    assert windows[0].paired.mean == pytest.approx(0.16 - 0.25)


def test_late_labels_do_not_enter(make: Make) -> None:
    """A label counts up to its horizon, to the microsecond, and never afterwards."""
    rows = [*pair("a", NOON, 0.5, 0.6), *pair("b", NOON, 0.5, 0.6)]
    late = NOON + 12 * HOUR + timedelta(microseconds=1)
    labels = [label("a", NOON + 12 * HOUR), label("b", late)]
    windows, coverage = paired(make(predictions=rows, outcomes=labels), LATER)
    assert windows[0].paired is not None and windows[0].paired.n == 1
    assert coverage == Coverage(served=2, both=2, mature=2, labelled=1)


def test_a_late_second_label_does_not_mend_a_missing_first(make: Make) -> None:
    """A null label is no label; a number that follows in time is one."""
    rows = pair("a", NOON, 0.5, 0.6)
    labels = [label("a", NOON + HOUR, None), label("a", NOON + 2 * HOUR, 1.0)]
    _, coverage = paired(make(predictions=rows, outcomes=labels), LATER)
    assert coverage.labelled == 1


def test_labels_of_unknown_rows_never_join(make: Make) -> None:
    """Whoever posts labels of predictions that are not there changes nothing."""
    rows = pair("a", NOON, 0.5, 0.6)
    labels = [label("a", NOON + HOUR), label("x", NOON + HOUR)]
    other = {**label("a", NOON + timedelta(minutes=1), 0.0), "model": "another"}
    alone = paired(make(predictions=rows, outcomes=labels[:1]), LATER, "brier")
    assert paired(make(predictions=rows, outcomes=[*labels, other]), LATER, "brier") == alone
    assert alone[1] == Coverage(served=1, both=1, mature=1, labelled=1)


def test_a_second_label_never_replaces_the_first(make: Make) -> None:
    """Not even one that says the opposite, in whatever order they were written."""
    rows = pair("a", NOON, 0.5, 1.0)
    labels = [label("a", NOON + 2 * HOUR, 0.0), label("a", NOON + HOUR, 1.0)]
    windows, _ = paired(make(predictions=rows, outcomes=labels), LATER, "brier")
    assert windows[0].paired is not None
    assert windows[0].paired.mean == pytest.approx(0.0 - 0.25)


def test_a_label_before_its_prediction_does_not_count(make: Make) -> None:
    """It cannot be about it; nor does a second one in time take its place. At once is in time."""
    rows = [*pair("early", NOON, 0.5, 0.6), *pair("at once", NOON, 0.5, 0.6)]
    before = NOON - timedelta(microseconds=1)
    labels = [label("early", before), label("early", NOON + HOUR), label("at once", NOON)]
    telemetry = make(predictions=rows, outcomes=labels,
                     inputs=[request(i, NOON, {"x": 1}) for i in ("early", "at once")])  # fmt: skip
    windows, coverage = paired(telemetry, LATER)
    assert coverage == Coverage(served=2, both=2, mature=2, labelled=1)
    assert windows[0].paired is not None and windows[0].paired.n == 1
    found = telemetry.sample(MODEL, now=LATER, rows=9, since=MIDNIGHT, horizon_hours=12)
    assert sorted(str(row.label) for row in found) == ["1.0", "None"]


REVENUE = UnitMetric(name="revenue", horizon_hours=12, cap=100.0, without_value="zero")


def units(
    telemetry: Telemetry, now: datetime = LATER, metric: UnitMetric = REVENUE
) -> list[tuple[datetime, str, tuple[int, float, float], tuple[int, float, float]]]:
    found = telemetry.unit_windows(RELEASE, metric, now=now, time_zone=ZONE)
    told = []
    for w in found:
        assert w.champion_units is not None and w.candidate_units is not None
        arms = [(m.n, round(m.mean, 9), round(m.m2, 9))
                for m in (w.champion_units, w.candidate_units)]  # fmt: skip
        told.append((w.start, w.step, arms[0], arms[1]))
    return told


def answered(row_id: str, unit: str, arm: str, at: datetime = NOON, **more: Any) -> Event:
    live = {"unit": unit, "served": True, "step": "c", "weight_bp": 500}
    return score(row_id, arm, at, 0.5, **(live | more))


def test_business_metrics_by_unit_and_arm(make: Make) -> None:
    """One value a unit: the sum of what its rows brought, capped; without any it counts as 0."""
    rows = [
        answered("1", "ann", "champion"),
        answered("2", "ann", "champion", NOON + HOUR),
        answered("3", "bob", "champion"),
        answered("4", "cem", "candidate"),
        answered("5", "dee", "candidate"),
        answered("6", "eve", "previous"),
        score("1", "candidate", NOON, 0.4, unit="ann", step="c", weight_bp=500),
        answered("7", "fay", "champion", step="shadow", weight_bp=0),
        answered("8", "gus", "candidate", release="r2"),
    ]
    later = NOON + 3 * HOUR
    values = [posted("1", later, 5.0), posted("2", later, 7.0), posted("4", later, 1e9),
              posted("5", later, 3.0, "clicks"), posted("6", later, 9.0), posted("7", later, 9.0),
              posted("8", later, 9.0), posted("unknown", later, 9.0)]  # fmt: skip
    telemetry = make(predictions=rows, metrics=values)
    assert units(telemetry) == [(MIDNIGHT, "c", (2, 6.0, 72.0), (2, 50.0, 5000.0))]
    left_out = REVENUE.model_copy(update={"without_value": "left_out"})
    assert units(telemetry, metric=left_out) == [
        (MIDNIGHT, "c", (1, 12.0, 0.0), (1, 100.0, 0.0))
    ]  # fmt: skip


def missing(
    telemetry: Telemetry, now: datetime = LATER, metric: UnitMetric = REVENUE
) -> list[tuple[datetime, str, Counts | None, Counts | None]]:
    found = telemetry.missing_windows(RELEASE, metric, now=now, time_zone=ZONE)
    return [(w.start, w.step, w.champion, w.candidate) for w in found]


def test_units_of_which_nothing_was_posted(make: Make) -> None:
    """Of the same units and windows as the metric itself, whatever it takes silence for."""
    rows = [
        answered("1", "ann", "champion"),
        answered("2", "ann", "champion", NOON + HOUR),
        answered("3", "bob", "champion"),
        answered("4", "cem", "candidate"),
        answered("5", "dee", "candidate"),
        answered("6", "mix", "candidate"),
        answered("7", "mix", "champion", NOON + HOUR),
        answered("8", "ann", "champion", NOON + 24 * HOUR),
        answered("9", "eve", "champion", NOON + 48 * HOUR),  # a day without any value
    ]
    values = [posted("2", NOON + 2 * HOUR, 0.0), posted("3", NOON + 13 * HOUR, 4.0),
              posted("4", NOON + HOUR, 4.0, "clicks"), posted("6", NOON + HOUR, 1.0)]  # fmt: skip
    telemetry = make(predictions=rows, metrics=values)
    of_today = (MIDNIGHT, "c", Counts(n=2, events=1), Counts(n=2, events=2))
    assert missing(telemetry) == [of_today]
    left_out = REVENUE.model_copy(update={"without_value": "left_out"})
    assert missing(telemetry, metric=left_out) == [of_today]
    assert missing(telemetry, MIDNIGHT + 35 * HOUR) == []


def test_a_metric_nobody_posted_is_nothing(make: Make) -> None:
    """Silence is not zero: a window without one value of the metric is no window."""
    rows = [answered("1", "ann", "champion"), answered("2", "bob", "candidate")]
    assert units(make(predictions=rows)) == []
    assert units(make(predictions=rows, metrics=[posted("1", NOON, 3.0, "clicks")])) == []
    assert units(make(predictions=rows, metrics=[posted("1", NOON, None)])) == []


def test_values_count_once_in_time_and_after_their_prediction(make: Make) -> None:
    """The first one, from the prediction to the horizon; as for labels."""
    rows = [answered(str(n), f"u{n}", "champion") for n in range(4)]
    values = [
        posted("0", NOON + HOUR, 1.0), posted("0", NOON + 2 * HOUR, 50.0),
        posted("1", NOON - HOUR, 50.0),
        posted("2", NOON + 12 * HOUR + timedelta(microseconds=1), 50.0),
        posted("3", NOON + 12 * HOUR, 2.0),
    ]  # fmt: skip
    found = units(make(predictions=rows, metrics=values))
    assert [(w[2][0], w[2][1]) for w in found] == [(4, 0.75)]


def test_a_unit_counts_once_a_step(make: Make) -> None:
    """On its first day there: what it brings every day is what chance dealt its arm, once."""
    rows = [
        answered("1", "ann", "champion"),
        answered("2", "ann", "champion", NOON + 24 * HOUR),
        answered("3", "bob", "candidate", NOON + 24 * HOUR),
        answered("4", "ann", "candidate", NOON + 48 * HOUR, step="d"),
        answered("5", "mix", "candidate"),
        answered("6", "mix", "champion", NOON + HOUR),
        {**answered("7", "nobody", "champion"), "unit": None},
    ]
    values = [posted(row["id"], NOON + 50 * HOUR, 4.0) for row in rows]
    wide = REVENUE.model_copy(update={"horizon_hours": 60})
    assert units(make(predictions=rows, metrics=values), metric=wide) == [
        (MIDNIGHT, "c", (1, 4.0, 0.0), (0, 0.0, 0.0)),
        (MIDNIGHT + 24 * HOUR, "c", (0, 0.0, 0.0), (1, 4.0, 0.0)),
        (MIDNIGHT + 48 * HOUR, "d", (0, 0.0, 0.0), (1, 4.0, 0.0)),
    ]


def test_a_day_of_a_metric_closes_like_a_day_of_labels(make: Make) -> None:
    """A window that has been weighed never changes."""
    rows = [answered("1", "ann", "champion"), answered("2", "bob", "candidate")]
    telemetry = make(predictions=rows, metrics=[posted("1", NOON + HOUR, 3.0)])
    closes = MIDNIGHT + 36 * HOUR
    assert units(telemetry, closes - timedelta(microseconds=1)) == []
    assert len(units(telemetry, closes)) == 1


def days_ago(first: int, last: int) -> list[Day]:
    """Local days of midnight ``first`` to ``last`` days before that of today."""
    start = MIDNIGHT - timedelta(days=first)
    return list(local_days(start, MIDNIGHT - timedelta(days=last), ZONE))


def ago(row_id: str, unit: str, days: int, **more: Any) -> Event:
    """Served before the release, by whoever was in service."""
    before = {"release": None, "step": "", "weight_bp": 0}
    return answered(row_id, unit, "champion", NOON - timedelta(days=days), **(before | more))


def test_what_units_brought_before_a_release(make: Make) -> None:
    """x: their days of the first stretch on average; y: their first day of the second."""
    rows = [
        ago("1", "ann", 4), ago("2", "ann", 4), ago("3", "ann", 3), ago("4", "ann", 2),
        ago("5", "ann", 1), ago("6", "bob", 3), ago("7", "bob", 1), ago("8", "cem", 4),
        ago("9", "dee", 1), ago("a", "eve", 3, model="other"), ago("b", "eve", 1, model="other"),
        {**ago("c", "x", 3), "unit": None}, ago("d", "bob", 9),
    ]  # fmt: skip
    worth = {"1": 2.0, "2": 4.0, "3": 1e9, "4": 7.0, "5": 9.0, "7": 3.0, "8": 8.0, "9": 5.0,
             "a": 1.0, "b": 1.0, "d": 50.0}  # fmt: skip
    at = {row["id"]: datetime.fromisoformat(row["at"]) for row in rows}
    values = [posted(name, at[name] + HOUR, value) for name, value in worth.items()]
    values += [posted("6", at["6"] + 13 * HOUR, 40.0), posted("5", at["5"], 1.0, "clicks")]
    telemetry = make(predictions=rows, metrics=values)
    before, then = days_ago(4, 3), days_ago(2, 1)
    history = telemetry.unit_history(MODEL, REVENUE, before=before, then=then)
    found = history.pairs
    # ann: (6 + 100) / 2 and then 7; bob: silence is 0, then 3
    assert (found.n, found.mean_x, found.mean_y) == (2, pytest.approx(26.5), pytest.approx(5.0))
    assert (found.m2_x, found.m2_y) == (pytest.approx(1404.5), pytest.approx(8.0))
    assert found.c_xy == pytest.approx(106.0)
    # of the second stretch ann brought 8 a day, bob 3 and dee 5
    assert (history.known, history.mean) == (3, pytest.approx(16 / 3))
    left_out = REVENUE.model_copy(update={"without_value": "left_out"})
    assert telemetry.unit_history(MODEL, left_out, before=before, then=then).pairs.n == 1
    none = UnitHistory(pairs=PairMoments(n=0), known=0, mean=0.0)
    assert telemetry.unit_history("none", REVENUE, before=before, then=then) == none


def test_days_of_an_earlier_split_are_no_habit(make: Make) -> None:
    """Units meet the same arm in every release: what it did to them would follow them."""
    before, then = days_ago(2, 2), days_ago(1, 1)
    alone = [ago("1", "ann", 2), ago("2", "ann", 1)]
    split = [
        ago("3", "bob", 2, release="r0", step="canary 50 %", weight_bp=5000),
        ago("4", "bob", 1),
        ago("5", "ann", 1, release="r0", step="canary 50 %", weight_bp=5000),
        ago("6", "cem", 2, release="r0", step="full", weight_bp=10_000),
        ago("7", "cem", 1, release="r0", step="shadow", weight_bp=0),
    ]
    values = [posted(r["id"], datetime.fromisoformat(r["at"]), 9.0) for r in [*alone, *split]]
    history = make(predictions=[*alone, *split], metrics=values).unit_history(
        MODEL, REVENUE, before=before, then=then
    )
    assert (history.pairs.n, history.known, history.mean) == (2, 3, 9.0)  # ann and cem; and bob


def settled(theta: float, known: int, mean: float) -> UnitMetric:
    days = days_ago(2, 1)
    frozen = Adjustment(
        model=MODEL, theta=theta, mean=mean, n=200, known=known, correlation=0.7,
        since=days[0][0], until=days[-1][1],
    )  # fmt: skip
    return REVENUE.model_copy(update={"adjustment": frozen})


def with_history() -> dict[str, list[Event]]:
    """Ann brought 20 a day and bob 4, a new user joined; bob met the candidate."""
    rows = [
        ago("1", "ann", 2), ago("2", "ann", 1), ago("3", "bob", 1), ago("4", "bob", 5),
        answered("5", "ann", "champion"), answered("6", "new", "champion"),
        answered("7", "bob", "candidate"), ago("8", "new", 1, model="other"),
    ]  # fmt: skip
    at = {row["id"]: datetime.fromisoformat(row["at"]) for row in rows}
    worth = {"1": 30.0, "2": 10.0, "3": 4.0, "4": 99.0, "5": 25.0, "6": 8.0, "7": 9.0}
    values = [posted(name, at[name] + HOUR, value) for name, value in worth.items()]
    values += [posted("3", at["3"] + 2 * HOUR, 77.0), posted("4", at["4"] + 13 * HOUR, 77.0)]
    return {"predictions": [*rows, rows[0]], "metrics": values}


def test_values_told_apart_from_what_their_unit_brought_before(make: Make) -> None:
    """By days that were over when the release opened; a unit without any stays as it is."""
    telemetry = make(**with_history())
    plain = units(telemetry)
    assert plain == [(MIDNIGHT, "c", (2, 16.5, 144.5), (1, 9.0, 0.0))]
    # ann counts as 20 now and bob as 13
    assert units(telemetry, metric=settled(0.5, known=2, mean=12.0)) == [
        (MIDNIGHT, "c", (2, 14.5, 84.5), (1, 13.0, 0.0))
    ]
    assert units(telemetry, metric=settled(0.0, known=0, mean=0.0)) == plain


@pytest.mark.parametrize(("known", "mean"), [(3, 12.0), (2, 12.5)])
def test_days_before_that_changed_are_no_comparison(make: Make, known: int, mean: float) -> None:
    """Deleted or loaded later: what was weighed before would be another thing now."""
    with pytest.raises(EvidenceError, match="no longer hold what they held"):
        units(make(**with_history()), metric=settled(0.5, known=known, mean=mean))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_no_comparison(make: Make, value: float) -> None:
    """Not the greatest value there is, as an engine would sort it, nor one that did not come."""
    rows = [ago("1", "ann", 1), answered("2", "ann", "champion"), answered("3", "bob", "candidate")]
    now = [posted("2", NOON + HOUR, 3.0), posted("3", NOON + HOUR, value)]
    telemetry = make(predictions=rows, metrics=now)
    with pytest.raises(EvidenceError, match="revenue: 1 posted values are not finite numbers"):
        units(telemetry)
    ratio = UnitRatio(name="revenue", per=None, horizon_hours=12, cap=100.0, without_value="zero")
    with pytest.raises(EvidenceError, match="not finite"):
        telemetry.ratio_windows(RELEASE, ratio, now=LATER, time_zone=ZONE)
    then = [posted("1", NOON - 23 * HOUR, value)]
    with pytest.raises(EvidenceError, match="not finite"):
        make(predictions=rows, metrics=then).unit_history(
            MODEL, REVENUE, before=days_ago(2, 2), then=days_ago(1, 1)
        )


COST = UnitRatio(name="cost", per=None, horizon_hours=12, cap=100.0, without_value="zero")


def ratios(
    telemetry: Telemetry, now: datetime = LATER, metric: UnitRatio = COST
) -> list[tuple[datetime, str, tuple[float, ...], tuple[float, ...]]]:
    found = telemetry.ratio_windows(RELEASE, metric, now=now, time_zone=ZONE)
    told = []
    for w in found:
        assert w.champion_pairs is not None and w.candidate_pairs is not None
        arms = [(p.n, *(round(value, 9) for value in
                        (p.mean_x, p.mean_y, p.m2_x, p.m2_y, p.c_xy)))
                for p in (w.champion_pairs, w.candidate_pairs)]  # fmt: skip
        told.append((w.start, w.step, arms[0], arms[1]))
    return told


NOBODY = (0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_two_sums_of_each_unit(make: Make) -> None:
    """Cost and answered requests: sums of a unit first, then moments of the units of each arm."""
    later = NOON + 3 * HOUR
    rows = [
        answered("1", "ann", "champion"),
        answered("2", "ann", "champion", NOON + HOUR),
        answered("3", "bob", "champion"),
        answered("4", "cem", "candidate"),
        {**answered("5", "cem", "candidate"), "score": None, "error": "failed"},
        answered("6", "dee", "candidate"),
        answered("7", "mix", "candidate"),
        answered("8", "mix", "champion", NOON + HOUR),
        answered("9", "eve", "previous"),
        answered("10", "ann", "champion", NOON + 24 * HOUR),  # her second day there
        score("1", "candidate", NOON, 0.4, unit="ann", step="c", weight_bp=500),
        answered("11", "fay", "champion", NOON - 24 * HOUR, step="shadow", weight_bp=0),
        answered("12", "gus", "champion", NOON - 48 * HOUR, step="staging", weight_bp=0),
    ]
    values = [posted("1", later, 2.0, "cost"), posted("2", later, 4.0, "cost"),
              posted("4", later, 1e9, "cost"), posted("5", later, 3.0, "cost"),
              posted("6", later, 5.0, "clicks"), posted("7", later, 9.0, "cost"),
              posted("10", NOON + 25 * HOUR, 9.0, "cost"),
              posted("11", NOON - 23 * HOUR, 7.0, "cost"),
              posted("12", NOON - 47 * HOUR, 7.0, "cost"),
              posted("3", NOON + 30 * HOUR, 50.0, "cost"),
              posted("1", later, 8.0, "orders"), posted("4", later, 2.0, "orders")]  # fmt: skip
    telemetry = make(predictions=rows, metrics=values)
    before = (MIDNIGHT - 24 * HOUR, "shadow", (1, 1.0, 7.0, 0.0, 0.0, 0.0), NOBODY)
    assert ratios(telemetry) == [
        before,
        (MIDNIGHT, "c", (2, 1.5, 3.0, 0.5, 18.0, 3.0), (2, 1.0, 50.0, 0.0, 5000.0, 0.0)),
    ]  # fmt: skip
    left_out = COST.model_copy(update={"without_value": "left_out"})
    assert ratios(telemetry, metric=left_out)[1][2:] == (
        (1, 2.0, 6.0, 0.0, 0.0, 0.0), (1, 1.0, 100.0, 0.0, 0.0, 0.0))  # fmt: skip
    per_order = COST.model_copy(update={"per": "orders"})
    assert ratios(telemetry, metric=per_order)[1][2:] == (
        (2, 4.0, 3.0, 32.0, 18.0, 24.0), (2, 1.0, 50.0, 2.0, 5000.0, 100.0))  # fmt: skip
    assert ratios(telemetry, MIDNIGHT + 35 * HOUR) == [before]
    unheard_of = COST.model_copy(update={"name": "weight"})
    assert ratios(telemetry, metric=unheard_of) == []


def assigned(telemetry: Telemetry, now: datetime = LATER) -> list[tuple[datetime, str, int, int]]:
    found = telemetry.assigned_windows(RELEASE, now=now, time_zone=ZONE)
    counts = [(w, w.champion, w.candidate) for w in found]
    return [(w.start, w.step, a.n, b.n) for w, a, b in counts if a and b]


def test_units_by_whom_they_were_sent_to_first(make: Make) -> None:
    """A unit counts once a step, and as the candidate's also when the champion stood in."""
    tomorrow = NOON + 24 * HOUR
    rows = [
        answered("1", "ann", "champion"),
        answered("2", "ann", "champion", tomorrow),
        answered("3", "bob", "candidate"),
        {**answered("4", "cem", "candidate"), "score": None, "error": "failed"},
        score("4", "champion", NOON, 0.5, unit="cem", step="c", weight_bp=500),
        answered("5", "dee", "champion", tomorrow),
        answered("5", "dee", "candidate", tomorrow + HOUR),
        answered("6", "ann", "candidate", tomorrow + 2 * HOUR, step="d", weight_bp=2500),
        answered("7", "eve", "previous"),
        answered("8", "fay", "candidate", step="full", weight_bp=10_000),
        answered("9", "gus", "champion", step="shadow", weight_bp=0),
        answered("10", "hal", "candidate", release="r2"),
        {**answered("11", "nobody", "champion"), "unit": None},
        score("1", "candidate", NOON - HOUR, 0.5, served=False, unit="ann", step="c",
              weight_bp=500),
    ]  # fmt: skip
    telemetry = make(predictions=rows)
    next_day = MIDNIGHT + 24 * HOUR
    assert assigned(telemetry) == [
        (MIDNIGHT, "c", 1, 2), (next_day, "c", 1, 0), (next_day, "d", 0, 1)]  # fmt: skip
    assert assigned(telemetry, NOON) == [(MIDNIGHT, "c", 1, 2)]
    assert assigned(telemetry, NOON - HOUR) == []


def survey(telemetry: Inspection, now: datetime = LATER, release: str | None = RELEASE) -> Survey:
    return telemetry.survey(
        MODEL, release_id=release, since=MIDNIGHT, now=now, horizon_hours=12
    )  # fmt: skip


def test_a_survey_of_nothing(make: Make) -> None:
    assert survey(make()) == Survey(model=MODEL, lines=0, served=0)


def test_a_survey_counts_what_is_odd(make: Make) -> None:
    """What a person wants to know before anything moves."""
    rows = [
        *pair("a", NOON, 0.5, 0.6),
        *pair("a", NOON + HOUR, 0.5, 0.6),
        *pair("b", NOON + 24 * HOUR, 0.5, 1.5),
        score("c", "champion", NOON + 25 * HOUR, None, unit=None),
        score("d", "champion", LATER + HOUR, 0.5, release=None),
        score("old", "champion", MIDNIGHT - HOUR, 0.5),
        {**score("z", "champion", NOON, 0.5), "model": "another"},
    ]
    labels = [label("a", NOON + 2 * HOUR), label("a", NOON + 3 * HOUR),
              label("b", NOON + 60 * HOUR), label("c", NOON), label("old", MIDNIGHT + HOUR),
              label("unknown", NOON), label("d", LATER + 2 * HOUR)]  # fmt: skip
    values = [posted("a", NOON, 1.0), posted("x", NOON, 2.0), posted("a", NOON, 1.0, "clicks")]
    telemetry = make(predictions=rows, outcomes=labels, metrics=values)
    found = survey(telemetry)
    assert found.lag_p99_hours == pytest.approx(35.66)  # of 2 and 36 hours
    assert found.model_copy(update={"lag_p99_hours": 35.66}) == Survey(
        model=MODEL, lines=8, served=4, newest=NOON + 25 * HOUR, repeated=2, failed=1,
        bad_scores=1, without_unit=1, from_the_future=2, labels=7, unknown_labels=1,
        repeated_labels=1, early_labels=1, late_labels=1,
        lag_median_hours=19.0, lag_p99_hours=35.66, mature=3, mature_labelled=1,
        ages=(AgeShare(days_old=14, rows=3, labelled=2),),
        arms=(ArmSeen(arm="candidate", scored=2, served=0),
              ArmSeen(arm="champion", scored=3, served=3)),
        metrics=(MetricSeen(metric="clicks", values=1, unknown=0),
                 MetricSeen(metric="revenue", values=2, unknown=1)),
    )  # fmt: skip
    soon = survey(telemetry, NOON + 26 * HOUR, None)
    assert (soon.arms, soon.lag_median_hours) == ((), 2.0)
    assert (soon.mature, soon.mature_labelled) == (1, 1)
    assert soon.ages == (
        AgeShare(days_old=0, rows=2, labelled=0), AgeShare(days_old=1, rows=1, labelled=1)
    )  # fmt: skip


def test_days_are_local_and_change_with_the_clocks(make: Make) -> None:
    """One microsecond before local midnight is the day before, in summer and in winter time."""
    winter = datetime(2013, 11, 4, 5, tzinfo=UTC)  # the clocks went back on 3 November
    summer = datetime(2013, 11, 3, 4, tzinfo=UTC)
    moments = [summer, winter - timedelta(microseconds=3000), winter]
    rows = [line for n, at in enumerate(moments) for line in pair(str(n), at, 0.5, 0.6)]
    labels = [label(str(n), at + HOUR) for n, at in enumerate(moments)]
    windows, _ = paired(make(predictions=rows, outcomes=labels), winter + 90 * HOUR)
    assert [(w.start, w.paired.n if w.paired else 0) for w in windows] == [(summer, 2), (winter, 1)]


def test_a_day_counts_only_when_nothing_can_be_added(make: Make) -> None:
    """The day's end and the horizon must both have passed: a weighed window never changes."""
    telemetry = make(predictions=pair("a", NOON, 0.5, 0.6), outcomes=[label("a", NOON + HOUR)])
    closes = MIDNIGHT + 24 * HOUR + 12 * HOUR
    assert paired(telemetry, closes - timedelta(microseconds=1))[0] == []
    assert len(paired(telemetry, closes)[0]) == 1
    assert paired(telemetry, NOON + 2 * HOUR)[1] == Coverage(served=1, both=1, mature=0, labelled=0)


def test_the_future_has_not_happened(make: Make) -> None:
    """Rows and labels after now do not exist yet."""
    rows = [*pair("a", NOON, 0.5, 0.6, weight_bp=500), *pair("b", LATER, 0.5, 0.6, weight_bp=500)]
    labels = [label("a", NOON + 11 * HOUR)]
    telemetry = make(predictions=rows, outcomes=labels)
    assert paired(telemetry, NOON + 10 * HOUR)[1].labelled == 0
    assert [row[2] for row in live(telemetry, NOON + HOUR)] == [Counts(n=1, events=0)]


def test_rows_that_one_model_missed_are_no_pairs(make: Make) -> None:
    """Coverage tells what is missing: failed, unmirrored, unlabelled, of another release."""
    rows = [
        *pair("good", NOON, 0.5, 0.6),
        score("alone", "champion", NOON, 0.5),
        score("failed", "champion", NOON, 0.5),
        score("failed", "candidate", NOON, None),
        *pair("unlabelled", NOON, 0.5, 0.6),
        *pair("other", NOON, 0.5, 0.6, release="r2"),
        *pair("none", NOON, 0.5, 0.6, release=None),
        score("mad", "champion", NOON, 0.5),
        score("mad", "candidate", NOON, 1.5),
        score("trial", "champion", NOON, 0.5, step="staging"),
    ]
    labels = [label(x, NOON + HOUR) for x in ("good", "alone", "failed", "other", "none", "mad")]
    windows, coverage = paired(make(predictions=rows, outcomes=labels), LATER)
    assert coverage == Coverage(served=5, both=2, mature=2, labelled=1)
    assert [w.paired.n for w in windows if w.paired] == [1]


def drop(at: datetime, lines: int, **more: Any) -> Event:
    """What a gateway writes when lines could not be written."""
    then = {"at": at, "until": at + HOUR}
    times = {name: moment.isoformat(timespec="microseconds") for name, moment in then.items()}
    same = {"model": MODEL, "release": RELEASE, "step": "shadow", "kind": "predictions"}
    return {**times, **same, "lines": lines, "replica": "a", **more}


def test_lines_known_to_be_lost_are_told_beside_those_that_are_there(
    make: Make, request: pytest.FixtureRequest
) -> None:
    """By step, of this release, of its predictions and until now; tables of one's own know none."""
    rows = [*pair("a", NOON, 0.5, 0.6), *pair("b", NOON, 0.5, 0.6, step="canary 5 %")]
    other = [score("c", "champion", NOON, release="r2")]
    drops = [
        drop(NOON, 3),
        drop(NOON + 2 * HOUR, 4, replica="b"),
        drop(NOON, 5, step="ramp 25 %"),
        drop(NOON, 100, release="r2"),
        drop(NOON, 200, release=None, step=None),
        drop(NOON, 300, kind="inputs"),
        drop(LATER + HOUR, 400),
    ]
    telemetry = make(predictions=[*rows, *other], drops=drops)
    lost = {
        "shadow": {"lost": 7, "since": NOON, "until": NOON + 3 * HOUR},
        "ramp 25 %": {"lost": 5, "since": NOON, "until": NOON + HOUR},
    }
    if "mapped" in request.node.name:
        lost = {}
    lines = {"shadow": 2, "canary 5 %": 2} | dict.fromkeys(lost.keys() - {"shadow"}, 0)
    expected = [Logged(step=s, lines=lines[s], **lost.get(s, {})) for s in sorted(lines)]
    assert list(telemetry.logged(RELEASE, now=LATER)) == expected
    with telemetry.looking(MODEL) as reading:
        assert list(reading.logged(RELEASE, now=LATER)) == expected
    assert survey(telemetry).lost == (712 if lost else 0)  # of the model, whatever its release


def test_steps_are_kept_apart(make: Make) -> None:
    """A day on which the step changed has a window for each step."""
    rows = [*pair("a", NOON, 0.5, 0.6), *pair("b", NOON + HOUR, 0.5, 0.7, step="canary 5 %")]
    labels = [label("a", NOON + HOUR), label("b", NOON + 2 * HOUR)]
    windows, _ = paired(make(predictions=rows, outcomes=labels), LATER)
    assert [(w.start, w.step) for w in windows] == [(MIDNIGHT, "canary 5 %"), (MIDNIGHT, "shadow")]


def segments(telemetry: Telemetry, column: str, now: datetime) -> dict[str, list[WindowPair]]:
    found = telemetry.segment_windows(
        RELEASE, "brier", column, now=now, horizon_hours=12, time_zone=ZONE
    )
    return {value: list(windows) for value, windows in found.items()}


def test_differences_by_what_the_request_carried(make: Make) -> None:
    """Each segment by itself, whatever its type; rows that carried nothing belong to none."""
    carried: dict[str, Any] = {"a": "LGA", "b": "LGA", "c": "JFK", "d": None}
    telemetry = make(
        predictions=[row for key in "abcde" for row in pair(key, MIDNIGHT, 0.5, 0.0)],
        outcomes=[label(key, MIDNIGHT + timedelta(hours=1)) for key in "abcde"],
        inputs=[
            request(key, MIDNIGHT, {"origin": value, "hour": 7, "new": key == "a"})
            for key, value in carried.items()
        ],
    )
    now = MIDNIGHT + timedelta(hours=36)
    found = segments(telemetry, "origin", now)
    assert {value: [w.paired.n for w in ws if w.paired] for value, ws in found.items()} == {
        "LGA": [2],
        "JFK": [1],
    }
    assert found["LGA"][0].start == MIDNIGHT
    assert found["LGA"][0].paired is not None
    assert found["LGA"][0].paired.mean == pytest.approx(0.75)
    assert set(segments(telemetry, "hour", now)) == {"7"}
    assert set(segments(telemetry, "new", now)) == {"true", "false"}
    assert segments(telemetry, "unheard of", now) == {}
    assert segments(telemetry, "origin", now - timedelta(hours=1)) == {}


def test_a_group_leaves_the_others_behind_in_the_whole(make: Make) -> None:
    """What a look says of a group and of everybody else is of the same rows, each counted once."""
    origins = {"a": "LGA", "b": "LGA", "c": "JFK", "d": None, "e": "JFK"}
    scores = dict(zip("abcde", (0.1, 0.4, 0.5, 0.6, 0.9), strict=True))
    telemetry = make(
        predictions=[row for key, score in scores.items() for row in pair(key, NOON, 0.5, score)],
        outcomes=[label(key, NOON + HOUR) for key in scores],
        inputs=[request(key, NOON, {"origin": origins[key]}) for key in "aabcd"],
    )
    whole, _ = paired(telemetry, LATER, "brier")
    (group,) = against_others(whole, segments(telemetry, "origin", LATER)["LGA"])
    assert group.paired is not None and group.others is not None
    assert (group.paired.n, group.others.n) == (2, 3)  # e, of whom nothing is known, is another
    assert group.others.mean == pytest.approx((0.25 + 0.16 + 0.01) / 3 - 0.25)


def test_one_reading_answers_as_many_do(make: Make) -> None:
    """All questions of a look see the same rows of one model, and answer as they do alone."""
    other = {"model": "other", "release": "r2"}
    telemetry = make(
        predictions=[
            *(row for key in "abc" for row in pair(key, MIDNIGHT, 0.5, 0.25, weight_bp=500)),
            *pair("a", MIDNIGHT, 0.5, 0.9, **other),
        ],
        outcomes=[label(key, MIDNIGHT + timedelta(hours=1)) for key in "abc"],
        inputs=[request(key, MIDNIGHT, {"origin": "LGA"}) for key in "abc"],
    )
    now = MIDNIGHT + timedelta(hours=36)
    with telemetry.looking(MODEL) as reading:
        for again in range(2):
            assert paired(reading, now) == paired(telemetry, now), again
            assert segments(reading, "origin", now) == segments(telemetry, "origin", now)
            assert live(reading, now) == live(telemetry, now)
        assert reading.varied(MODEL, ["origin"], now=now, time_zone=ZONE, days=1) == (
            telemetry.varied(MODEL, ["origin"], now=now, time_zone=ZONE, days=1)
        )
        assert paired(reading, now, "brier", 24) == paired(telemetry, now, "brier", 24)


def test_how_varied_the_inputs_of_each_day_were(make: Make) -> None:
    """Whole local days only, the last ones; a null is no value, a repeated line is one request."""
    days = [MIDNIGHT + timedelta(days=n) for n in range(4)]
    telemetry = make(
        inputs=[
            request(f"{n}-{m}", day + timedelta(hours=m), {"temp": 60.5 + n * m, "rain": None})
            for n, day in enumerate(days)
            for m in range(3)
        ]
        + [request("0-0", MIDNIGHT, {"temp": 60.5})],
    )
    found = telemetry.varied(
        MODEL, ["temp", "rain"], now=days[3] + timedelta(hours=5), time_zone=ZONE, days=2
    )
    assert [(v.column, v.start, v.n, v.distinct) for v in found] == [
        ("temp", days[1], 3, 3),
        ("temp", days[2], 3, 3),
    ]
    first = telemetry.varied(MODEL, ["temp"], now=days[1], time_zone=ZONE, days=9)
    assert [(v.n, v.distinct) for v in first] == [(3, 1)]
    assert telemetry.varied("other", ["temp"], now=days[3], time_zone=ZONE, days=2) == ()


def test_each_station_has_readings_of_its_own(make: Make) -> None:
    """Two stations, one reading each: two values of two groups; a request without one has none."""
    stations = make(
        inputs=[
            request(f"{origin}{n}", MIDNIGHT + timedelta(hours=n), {"temp": temp, "at": origin})
            for origin, temp in (("JFK", 60), ("LGA", 71), (None, 80))
            for n in range(3)
        ]
    )
    (found_by,) = stations.varied(
        MODEL, ["temp"], by="at", now=MIDNIGHT + timedelta(days=1), time_zone=ZONE, days=1
    )
    assert (found_by.n, found_by.distinct, found_by.groups) == (6, 2, 2)


def test_faults_of_each_arm_while_it_serves(make: Make) -> None:
    """Candidate: what it served. Champion: all it scored. Only steps with live traffic."""
    step = {"step": "canary 5 %", "weight_bp": 500}
    rows = [
        *pair("mirrored", NOON, 0.5, 0.6, **step),
        score("failed", "candidate", NOON, None, served=True, **step),
        score("failed", "champion", NOON, 0.5, served=True, **step),
        score("answered", "candidate", NOON, 0.6, served=True, **step),
        score("answered", "champion", NOON, 0.5, served=False, **step),
        score("champion failed", "champion", NOON, None, **step),
        score("unhappy", "previous", NOON, None, **step),
        *pair("shadowed", NOON, 0.5, 0.6),
        score("shadow failed", "candidate", NOON, None, served=False),
    ]
    telemetry = make(predictions=rows)
    assert live(telemetry, LATER) == [
        (MIDNIGHT, "canary 5 %", Counts(n=4, events=1), Counts(n=2, events=1))
    ]
    assert telemetry.exposure(RELEASE).requests == 2


def test_failures_that_only_the_mirror_showed(make: Make) -> None:
    """Rows that one arm alone failed on; with live traffic the mirror tells nothing more."""
    rows = [
        *pair("both answered", NOON, 0.5, 0.6),
        *pair("candidate failed", NOON, 0.5, 0.6)[:1],
        score("candidate failed", "candidate", NOON, None, served=False),
        score("candidate failed", "candidate", NOON + HOUR, 0.5, served=False),  # the first counts
        score("champion failed", "champion", NOON, None),
        score("champion failed", "candidate", NOON, 0.5, served=False),
        score("both failed", "champion", NOON, None),
        score("both failed", "candidate", NOON, None, served=False),
        score("never mirrored", "champion", NOON, None),
        score("odd", "champion", NOON + 24 * HOUR, 0.5),
        score("odd", "candidate", NOON + 24 * HOUR, 1.5, served=False),  # no probability
        score("live", "champion", NOON, 0.5, step="canary 5 %", weight_bp=500),
        score("live", "candidate", NOON, None, served=False, step="canary 5 %", weight_bp=500),
        score("early", "champion", NOON, None, step="staging"),
        score("early", "candidate", NOON, 0.5, served=False, step="staging"),
    ]
    telemetry = make(predictions=rows)

    def mirrored(now: datetime, **more: Any) -> list[tuple[datetime, str, int, int, int]]:
        windows = telemetry.mirrored_windows(RELEASE, now=now, time_zone=ZONE, **more)
        counts = [(w, w.champion, w.candidate) for w in windows]
        return [(w.start, w.step, a.n, a.events, b.events) for w, a, b in counts if a and b]

    tomorrow = MIDNIGHT + 24 * HOUR
    assert mirrored(LATER) == [(MIDNIGHT, "shadow", 4, 1, 1), (tomorrow, "shadow", 1, 0, 1)]
    assert mirrored(LATER, alone=False)[0] == (MIDNIGHT, "shadow", 4, 2, 2)
    assert mirrored(NOON + HOUR) == [(MIDNIGHT, "shadow", 4, 1, 1)]
    assert mirrored(LATER, each="hour")[0][:3] == (NOON, "shadow", 4)
    assert mirrored(NOON - HOUR) == []


def served(
    telemetry: Telemetry, now: datetime, metric: str = "brier", hours: float = 12
) -> tuple[list[tuple[datetime, str, Moments, Moments]], Coverage]:
    windows, coverage = telemetry.served_losses(
        RELEASE, metric, now=now, horizon_hours=hours, time_zone=ZONE
    )
    found = [(w.start, w.step, w.champion_units, w.candidate_units) for w in windows]
    return [(at, step, a, b) for at, step, a, b in found if a and b], coverage


def test_losses_of_what_each_arm_answered_itself(make: Make) -> None:
    """One value a unit: the mean of its labelled rows on its first day in a step."""
    canary: dict[str, Any] = {"step": "canary 30 %", "weight_bp": 3000}
    old, new = {**canary, "served": True, "unit": "old"}, {**canary, "served": True, "unit": "new"}
    tomorrow = NOON + 24 * HOUR
    rows = [
        *pair("shadowed", NOON, 0.5, 0.9),  # before users met it
        score("o1", "champion", NOON, 0.5, **old),
        score("o1", "candidate", NOON, 0.9, **{**old, "served": False}),  # mirrored: not its own
        score("o2", "champion", NOON + HOUR, 1.0, **old),
        score("o3", "champion", tomorrow, 0.0, **old),  # its first day was yesterday
        score("n1", "candidate", NOON, 0.8, **new),
        score("n2", "candidate", NOON, 0.3, **new),  # no label in time
        score("m1", "candidate", NOON, 0.8, **{**new, "unit": "moved"}),
        score("m2", "champion", NOON, 0.8, **{**old, "unit": "moved"}),  # of neither arm
        score("f1", "candidate", NOON, None, **{**new, "unit": "failed"}),  # no answer
        score("l1", "candidate", tomorrow, 0.5, **{**new, "unit": "later"}),
    ]
    labels = [label(row, NOON + 2 * HOUR) for row in ("shadowed", "o1", "o2", "n1", "m1", "m2")]
    labels += [label("n2", NOON + 13 * HOUR), label("l1", tomorrow + HOUR, 0.0),
               label("o3", tomorrow + HOUR)]  # fmt: skip
    telemetry = make(predictions=rows, outcomes=labels)
    windows, coverage = served(telemetry, LATER)
    assert [(at, step) for at, step, _, _ in windows] == [
        (MIDNIGHT, "canary 30 %"), (MIDNIGHT + 24 * HOUR, "canary 30 %")]  # fmt: skip
    first, second = windows
    assert (first[2].n, first[3].n) == (1, 1)
    assert first[2].mean == pytest.approx((0.25 + 0.0) / 2)
    assert first[3].mean == pytest.approx(0.04)
    assert (second[2].n, second[3].n) == (0, 1)
    assert second[3].mean == pytest.approx(0.25)
    assert (coverage.mature, coverage.labelled) == (4, 3)  # the candidate's, which has fewer
    assert coverage.served == 10 and coverage.both == 2


def test_losses_of_a_day_that_is_not_over_wait(make: Make) -> None:
    """A day whose horizon has not passed has no window, and nothing live has none."""
    row = score("a", "candidate", NOON, 0.5, served=True, step="c", weight_bp=500)
    telemetry = make(predictions=[row], outcomes=[label("a", NOON + HOUR)])
    assert served(telemetry, MIDNIGHT + 35 * HOUR)[0] == []
    assert len(served(telemetry, MIDNIGHT + 37 * HOUR)[0]) == 1
    assert served(make(), LATER) == ([], Coverage(served=0, both=0, mature=0, labelled=0))
    with pytest.raises(RefusedError):
        served(telemetry, LATER, metric="error")


def test_when_users_first_met_the_candidate_and_its_first_fault(make: Make) -> None:
    """Mirrored answers are nobody's; a slow one is a fault where the policy says what is slow."""
    hours = [MIDNIGHT + timedelta(hours=n) for n in range(5)]
    telemetry = make(
        predictions=[
            score("a", "candidate", hours[0], None, served=False),
            score("b", "candidate", hours[1], served=True),
            score("c", "candidate", hours[2], served=True, latency_ms=300.0),
            score("d", "candidate", hours[3], None, served=True),
            score("e", "champion", hours[0], None, served=True),
        ]
    )
    assert telemetry.exposure(RELEASE) == Exposure(
        requests=3, first_at=hours[1], first_fault_at=hours[3]
    )
    assert telemetry.exposure(RELEASE, 250.0).first_fault_at == hours[2]
    assert telemetry.exposure("other") == Exposure()


def test_a_day_in_progress_has_live_counts(make: Make) -> None:
    """Failures must be seen within the hour, not the next day."""
    rows = [score("a", "candidate", NOON, None, served=True, weight_bp=500, step="c")]
    assert live(make(predictions=rows), NOON + HOUR) == [
        (MIDNIGHT, "c", Counts(n=0, events=0), Counts(n=1, events=1))
    ]


def test_live_counts_by_the_hour(make: Make) -> None:
    """Whole hours of UTC; one in which nothing was answered has no window."""
    more: dict[str, Any] = {"step": "c", "weight_bp": 500}
    late = NOON + 3 * HOUR - timedelta(microseconds=1)
    rows = [
        score("a", "champion", NOON, 0.5, **more),
        score("b", "candidate", NOON + HOUR / 2, None, served=True, **more),
        score("c", "champion", late, None, **more),
    ]
    assert live(make(predictions=rows), LATER, each="hour") == [
        (NOON, "c", Counts(n=1, events=0), Counts(n=1, events=1)),
        (NOON + 2 * HOUR, "c", Counts(n=1, events=1), Counts(n=0, events=0)),
    ]


def test_slow_answers(make: Make) -> None:
    """Later than slow_ms is slow, as late is not; an answer of unknown duration is slow."""
    more: dict[str, Any] = {"step": "c", "weight_bp": 500}
    rows = [score(str(ms), "champion", NOON, 0.5, latency_ms=ms, **more)
            for ms in (1.0, 250.0, 250.1, None)]  # fmt: skip
    assert live(make(predictions=rows), LATER, "slow", 250.0) == [
        (MIDNIGHT, "c", Counts(n=4, events=2), Counts(n=0, events=0))
    ]


def test_faults_of_everything_served(make: Make) -> None:
    """Whoever answered, each request once; nothing served is nothing."""
    rows = [
        score("1", "champion", NOON, latency_ms=300.0),
        score("1", "champion", NOON, latency_ms=1.0),  # repeated: the first counts
        score("2", "candidate", NOON, None, served=True),
        score("3", "champion", NOON, served=False),
        score("4", "champion", NOON - 2 * HOUR, None),
        score("5", "champion", NOON + HOUR, None),
    ]
    telemetry = make(predictions=rows)

    def counts(metric: str, since: datetime = NOON - HOUR, model: str = MODEL) -> Counts:
        return telemetry.served_faults(model, metric, since=since, now=NOON, slow_ms=250.0)

    assert counts("error") == Counts(n=2, events=1)
    assert counts("slow") == Counts(n=2, events=1)
    assert counts("error", NOON - 3 * HOUR) == Counts(n=3, events=2)
    assert counts("error", model="other") == Counts(n=0, events=0)
    with pytest.raises(RefusedError):
        counts("log_loss")


def test_unknown_metrics_and_zones_are_refused(make: Make) -> None:
    """A word nobody defined is never an empty answer."""
    telemetry = make(predictions=pair("a", NOON, 0.5, 0.6, weight_bp=500))
    with pytest.raises(RefusedError):
        paired(telemetry, LATER, "error")
    with pytest.raises(RefusedError):
        live(telemetry, LATER, "log_loss")
    with pytest.raises(RefusedError):
        live(telemetry, LATER, "slow", None)
    with pytest.raises(RefusedError):
        telemetry.paired_windows(
            RELEASE, "brier", now=LATER, horizon_hours=1, time_zone="Nowhere/Atlantis"
        )


def test_a_sample_is_the_newest_mature_traffic(make: Make) -> None:
    """Served rows with their inputs, newest first; a label only where it came in time."""
    rows = [line for n in range(5) for line in pair(str(n), NOON + n * HOUR, 0.5, 0.6)]
    rows += [score("3", "champion", NOON + 5 * HOUR), score("bare", "champion", NOON)]
    asked = [request(str(n), NOON + n * HOUR, {"hour": n, "origin": "JFK", "wind": None})
             for n in range(5)]  # fmt: skip
    labels = [label("2", NOON + 3 * HOUR, 1.0), label("1", NOON + 9 * HOUR, 0.0)]
    telemetry = make(predictions=rows, outcomes=labels, inputs=asked)
    now = NOON + 5 * HOUR + timedelta(minutes=30)  # the rows of hour 4 are not ripe
    found = telemetry.sample(MODEL, now=now, rows=3, since=NOON + HOUR, horizon_hours=2)
    assert [(r.at, r.label) for r in found] == [
        (NOON + 3 * HOUR, None), (NOON + 2 * HOUR, 1.0), (NOON + HOUR, None)]  # fmt: skip
    assert found[0].inputs == {"hour": 3, "origin": "JFK", "wind": None}
    few = telemetry.sample(MODEL, now=now, rows=1, since=MIDNIGHT, horizon_hours=2)
    assert [r.at for r in few] == [NOON + 3 * HOUR]
    assert not telemetry.sample("other", now=now, rows=9, since=MIDNIGHT, horizon_hours=2)


def test_how_long_answers_took(make: Make) -> None:
    """By logarithmic buckets: what users waited for of whatever was not on trial, each once."""
    rows = [
        score("1", "champion", NOON, latency_ms=10.05),
        score("1", "champion", NOON + HOUR, latency_ms=900.0),  # repeated: the first counts
        score("2", "champion", NOON, latency_ms=10.05),
        score("3", "previous", NOON, served=True, latency_ms=1000.1),
        score("4", "champion", NOON, latency_ms=None),
        score("5", "champion", NOON, latency_ms=0.0),
        score("6", "candidate", NOON, served=True, latency_ms=7.0),
        score("7", "champion", NOON, None, latency_ms=7.0),
        score("8", "champion", NOON, served=False, latency_ms=7.0),
        score("9", "champion", LATER, latency_ms=7.0),
        score("10", "champion", MIDNIGHT - HOUR, latency_ms=7.0),
        score("11", "champion", NOON, latency_ms=7.0, model="other"),
        score("12", "champion", NOON, release=None, latency_ms=10.05),
    ]
    telemetry = make(predictions=rows)
    found = telemetry.latency_counts(MODEL, since=MIDNIGHT, until=LATER)
    place = bucket_of(10.05)
    assert place is not None and end_of(place) == pytest.approx(10.05, rel=0.0111)
    assert found.unknown == 1
    assert dict(found.counts) == {bucket_of(0.0): 1, place: 3, bucket_of(1000.1): 1}
    nobody = telemetry.latency_counts(MODEL, since=LATER + HOUR, until=LATER + 2 * HOUR)
    assert nobody == LogCounts(counts={})


# ── How values are distributed ──────────────────────────────────────────────────────────────


def carrying(column: str, values: Sequence[Any], at: datetime = NOON) -> list[Event]:
    return [request(f"{at:%d}-{n}", at, {column: value}) for n, value in enumerate(values)]


def shape(
    telemetry: Telemetry, column: str | None, then: datetime = LATER
) -> tuple[Bins, tuple[int, ...], tuple[float, ...], int]:
    """By the bins of the first day: what came from its end on, up to ``then``."""
    end = MIDNIGHT + 24 * HOUR
    bins = telemetry.bins(MODEL, column, since=MIDNIGHT, until=end)
    seen = telemetry.histogram(MODEL, bins, since=end, until=then)
    return bins, seen.counts, tuple(round(s, 9) for s in seen.sums), seen.missing


TOMORROW = NOON + 24 * HOUR


def test_numbers_by_deciles_of_a_reference(make: Make) -> None:
    """An edge belongs to the bin that it ends; what nobody had carried before has bins too."""
    telemetry = make(
        inputs=carrying("temp", [float(n) for n in range(101)])
        + carrying("temp", [-7.0, 10.0, 10.5, 90.0, 90.1, 500.0, None], TOMORROW)
    )
    bins, counts, sums, missing = shape(telemetry, "temp")
    assert bins == Bins(column="temp", edges=tuple(float(10 * n) for n in range(1, 10)))
    assert counts == (2, 1, 0, 0, 0, 0, 0, 0, 1, 2)
    assert sums == (3.0, 10.5, 0, 0, 0, 0, 0, 0, 90.0, 590.1)
    assert missing == 1


def test_a_constant_moves_to_either_side(make: Make) -> None:
    """One value has a bin of its own, to the last bit."""
    third = 1 / 3
    telemetry = make(
        inputs=carrying("temp", [third] * 30)
        + carrying("temp", [third, 0.3333, 0.33334, third, 0.0], TOMORROW)
    )
    bins, counts, _, missing = shape(telemetry, "temp")
    assert bins.edges[1] == third and len(bins.edges) == 2
    assert (counts, missing) == ((2, 2, 1), 0)


def test_texts_by_their_most_frequent(make: Make) -> None:
    """The fifty most frequent; all others, old or new, are one bin, and true is a text."""
    many = [f"c{n:02}" for n in range(60) for _ in range(60 - n)]
    new = ["c00", "c00", "c49", "c50", "never seen", None]
    telemetry = make(
        inputs=carrying("carrier", many) + carrying("carrier", new, TOMORROW)
        + [request("yes", NOON, {"wet": True}), request("no", TOMORROW, {"wet": False})]
    )  # fmt: skip
    bins, counts, sums, missing = shape(telemetry, "carrier")
    assert bins.categories == tuple(f"c{n:02}" for n in range(50))
    assert (counts[0], counts[49], counts[50], sum(counts)) == (2, 1, 2, 5)
    assert (sums, missing) == ((), 1 + 1)  # the request about the rain carried no carrier
    wet, counts, _, _ = shape(telemetry, "wet")
    assert (wet.categories, counts) == (("true",), (0, 1))


@pytest.mark.parametrize("make", ["memory", "text", "mixed"], indirect=True)
def test_a_number_that_became_a_text_is_missing_among_numbers(make: Make) -> None:
    """A unit written behind the number is no number any more, and nobody takes it for one.

    Not asked of a team's own tables: a column there has one type.
    """
    telemetry = make(
        inputs=carrying("temp", [1, 2.5, 3]) + carrying("temp", ["2", "2 F", "nan", 2], TOMORROW)
    )
    _, counts, _, missing = shape(telemetry, "temp")
    assert (sum(counts), missing) == (2, 2)


def test_what_nobody_carried_has_no_bins(make: Make) -> None:
    """A column that no request knows, nulls alone, no request at all: never a distribution."""
    telemetry = make(
        inputs=carrying("rain", [None, None, None]) + carrying("rain", [1.0, None], TOMORROW)
    )
    assert shape(telemetry, "rain") == (Bins(column="rain"), (1,), (), 1)
    assert shape(telemetry, "unheard of") == (Bins(column="unheard of"), (0,), (), 2)
    assert shape(telemetry, None) == (Bins(), (0,), (), 0)


def test_scores_are_those_of_the_champions_answers(make: Make) -> None:
    """Each request once, as it was first answered; failures and other arms have no score."""
    first = [score(str(n), "champion", NOON, n / 100) for n in range(101)]
    later = [
        *pair("a", TOMORROW, 0.05, 0.95),
        score("a", "champion", TOMORROW + HOUR, 0.85),
        score("b", "champion", TOMORROW, None),
        score("c", "champion", TOMORROW, 1.5),
        score("d", "champion", TOMORROW, 0.95),
        score("z", "champion", TOMORROW, 0.95, model="another"),
        score("late", "champion", LATER, 0.5),
    ]
    bins, counts, sums, missing = shape(make(predictions=first + later), None)
    assert (bins.column, len(bins.edges)) == (None, 9)
    assert (counts, missing) == ((1, *[0] * 8, 1), 0)
    assert sums[0] == 0.05 and sums[-1] == 0.95


def test_one_look_counts_as_many_do_and_periods_add_up(make: Make) -> None:
    """The end of a period is not in it, so that two that meet share no request."""
    telemetry = make(
        inputs=carrying("temp", [1, 2, 3, 4, 5, 6]) + carrying("temp", [1, 9], TOMORROW)
        + carrying("temp", [2, 9, None], TOMORROW + 24 * HOUR)
    )  # fmt: skip
    with telemetry.looking(MODEL) as reading:
        for again in range(2):
            assert shape(reading, "temp") == shape(telemetry, "temp"), again
    _, one, _, _ = shape(telemetry, "temp", TOMORROW + 24 * HOUR)
    _, both, _, missing = shape(telemetry, "temp", TOMORROW + 24 * HOUR + timedelta(microseconds=1))
    assert (sum(one), sum(both), missing) == (2, 4, 1)


def test_a_quarter_of_flights_is_read_in_a_moment(tmp_path: Path) -> None:
    """Ninety days of 907 rows scored twice: the same sums as plain Python, in seconds at most."""
    rows: list[Event] = []
    labels: list[Event] = []
    for n in range(90 * 907):
        at = MIDNIGHT + timedelta(seconds=95 * n)
        rows += pair(str(n), at, 0.2 + (n % 7) / 10, 0.2 + (n % 11) / 20)
        labels.append(label(str(n), at + HOUR, float(n % 3 == 0)))
    spool = tmp_path / "spool"
    for kind in ("inputs", "metrics", "drops"):
        (spool / kind).mkdir(parents=True)
    for kind, events in (("predictions", rows), ("outcomes", labels)):
        (spool / kind).mkdir()
        write_parquet(spool, kind, 1, events[:-5000])
        write_text(spool, kind, 2, events[-5000:])
    telemetry = IbisTelemetry(spool)
    paired(telemetry, MIDNIGHT)  # imports
    began = time.perf_counter()
    windows, coverage = paired(telemetry, LATER + timedelta(days=90))
    took = time.perf_counter() - began
    print(f"read in {took:.2f} s")
    assert took < 5.0  # about 0.5 s on a quiet core
    expected, also = paired(
        MemoryTelemetry(predictions=rows, outcomes=labels), LATER + timedelta(days=90)
    )
    assert coverage == also
    for one, other in zip(windows, expected, strict=True):
        assert one.paired is not None and other.paired is not None
        assert (one.start, one.step, one.paired.n) == (other.start, other.step, other.paired.n)
        assert one.paired.mean == pytest.approx(other.paired.mean, abs=1e-12)
        assert one.paired.m2 == pytest.approx(other.paired.m2, rel=1e-9)
