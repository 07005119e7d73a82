"""A team's own tables: what they may look like, and how what does not fit is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from policies.errors import RefusedError, UnavailableError
from policies.loader import load_map
from policies.vocabulary import Counts, Trial
from tasks.telemetry.adapters.mapped import MappedTelemetry
from tasks.telemetry.ports import Coverage

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHADOW = Trial(
    release_id="r1", model="churn", champion="6", candidate="7", step="shadow", weight_bp=0,
    start=NOON, end=NOON + 24 * HOUR,
)  # fmt: skip
CANARY = SHADOW.model_copy(
    update={"step": "canary 5 %", "weight_bp": 500, "start": NOON + 24 * HOUR, "end": None}
)
SCORES = """\
CREATE TABLE scores AS SELECT * FROM (VALUES
  (1, TIMESTAMPTZ '2024-05-01 13:00:00+00', 'ann', 6, true,  0.5, 1, TIMESTAMPTZ '2024-05-01 15:00:00+00'),
  (1, TIMESTAMPTZ '2024-05-01 13:00:00+00', 'ann', 7, false, 0.6, 1, TIMESTAMPTZ '2024-05-01 15:00:00+00'),
  (2, TIMESTAMPTZ '2024-05-02 15:00:00+02', 'bob', 7, true,  0.4, NULL, NULL),
  (2, TIMESTAMPTZ '2024-05-02 15:00:00+02', 'bob', 6, false, 0.4, NULL, NULL),
  (3, TIMESTAMPTZ '2024-05-02 13:00:00+00', 'cem', 7, true,  NULL, NULL, NULL),
  (4, TIMESTAMPTZ '2024-04-30 13:00:00+00', 'dee', 6, true,  0.4, 0, TIMESTAMPTZ '2024-05-01 15:00:00+00'),
  (5, TIMESTAMPTZ '2024-05-02 13:00:00+00', 'eve', 5, true,  0.4, NULL, NULL)
) t(prediction, scored_at, customer, version, shown, p, churned, known_at)
"""  # noqa: E501
MAPPING = """\
predictions:
  url: duckdb:///own.db
  table: scores
  columns:
    id: prediction
    at: scored_at
    model: {value: churn}
    unit: customer
    version: version
    served: shown
    score: p
    label: churned
    label_at: known_at
"""


def own(
    folder: Path, mapping: str = MAPPING, trials: Sequence[Trial] = (SHADOW, CANARY)
) -> MappedTelemetry:
    path = folder / "telemetry.yaml"
    path.write_text(mapping)
    return MappedTelemetry(folder, load_map(path), lambda: trials)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "own.db")) as con:
        con.execute(SCORES)
    return tmp_path


def asked(telemetry: MappedTelemetry) -> Coverage:
    now = NOON + timedelta(days=9)
    return telemetry.paired_windows(
        "r1", "brier", now=now, horizon_hours=12, time_zone="UTC"
    )[1]  # fmt: skip


def test_rows_are_placed_by_the_record(database: Path) -> None:
    """A table that knows versions and times alone: release, step, share and arm are derived."""
    telemetry = own(database)
    assert asked(telemetry) == Coverage(served=4, both=2, mature=2, labelled=1)
    live = telemetry.live_windows(
        "r1", "error", now=NOON + timedelta(days=9), time_zone="UTC", slow_ms=None
    )
    assert [(w.step, w.champion, w.candidate) for w in live] == [
        ("canary 5 %", Counts(n=1, events=0), Counts(n=2, events=1))
    ]
    assert telemetry.exposure("r1").requests == 2
    assert asked(own(database, trials=())) == Coverage(served=0, both=0, mature=0, labelled=0)


def test_their_database_is_only_read(database: Path) -> None:
    """Another reader may hold it open, and not a byte of it changes."""
    before = (database / "own.db").read_bytes()
    with duckdb.connect(str(database / "own.db"), read_only=True):
        assert asked(own(database)).both == 2
    assert (database / "own.db").read_bytes() == before


def test_csv_files_are_read_alike(database: Path) -> None:
    """With times in UTC, as text files carry them."""
    with duckdb.connect(str(database / "own.db")) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"COPY scores TO '{database / 'own.csv'}' (HEADER)")
    in_file = MAPPING.replace("url: duckdb:///own.db\n  table: scores", "csv: own.csv")
    assert asked(own(database, in_file)) == asked(own(database))


def test_every_fault_is_named_at_once(database: Path) -> None:
    """Missing and mistyped columns of all tables, each with its line and what is there instead."""
    with duckdb.connect(str(database / "own.db")) as con:
        con.execute("CREATE TABLE labels (prediction INT, known TIMESTAMP, y VARCHAR)")
    wrong = MAPPING.replace("score: p", "score: probability").replace("served: shown", "served: p")
    wrong = wrong.replace("at: scored_at", "at: customer").replace("    label: churned\n", "")
    wrong = wrong.replace("    label_at: known_at\n", "")
    wrong += """\
outcomes:
  url: duckdb:///own.db
  table: labels
  columns: {id: prediction, at: known, model: {value: churn}, label: y}
metrics:
  url: duckdb:///own.db
  table: revenue
  columns: {id: a, at: b, model: c, metric: d, value: e}
"""
    with pytest.raises(RefusedError) as refused:
        asked(own(database, wrong))
    told = str(refused.value)
    there = "prediction, scored_at, customer, version, shown, p, churned, known_at"
    for fault in (
        "6 fault(s)",
        f"telemetry.yaml:11: predictions.columns.score: there is no column probability; "
        f"there are: {there}.",
        "telemetry.yaml:10: predictions.columns.served: p is decimal(2, 1); true or false is",
        "telemetry.yaml:6: predictions.columns.at: customer is string; a time is needed.",
        "telemetry.yaml:15: outcomes.columns.at: known has no zone. Write time_zone: UTC",
        "telemetry.yaml:15: outcomes.columns.label: y is string; a number is needed.",
        "telemetry.yaml:18: metrics.table: there is no table revenue; there are: labels, scores.",
    ):
        assert fault in told, told


def test_a_lost_table_is_unavailable(tmp_path: Path) -> None:
    """No file, an empty folder, no database: never an empty table."""
    in_folder = MAPPING.replace("url: duckdb:///own.db\n  table: scores", "parquet: scores")
    (tmp_path / "scores").mkdir()
    for mapping in (MAPPING, in_folder, in_folder.replace("scores", "nowhere/*.parquet")):
        with pytest.raises(UnavailableError):
            asked(own(tmp_path, mapping))


def test_an_engine_that_is_not_installed_is_told(tmp_path: Path) -> None:
    there = MAPPING.replace("duckdb:///own.db", "postgres://nobody@127.0.0.1:9/none")
    with pytest.raises(RefusedError, match=r"ibis-framework\[postgres\]"):
        asked(own(tmp_path, there))
