"""A team's own tables for tests: the same events under other names, in local times and types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.parquet

from policies.loader import load_map
from tasks.telemetry.adapters.mapped import MappedTelemetry

Event = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
TEXT, WHOLE, NUMBER = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
LOCAL = pyarrow.timestamp("us")
MAPPING = """\
time_zone: America/New_York
predictions:
  parquet: own/scores
  columns:
    id: prediction
    at: scored_at
    model: model_name
    unit: customer
    version: model_version
    release: trial
    step: trial_step
    weight_bp: share_bp
    arm: {column: variant, champion: control, candidate: treatment}
    served: was_shown
    score: probability
    error: failure
    latency_ms: {column: seconds, times: 1000}
outcomes:
  parquet: own/labels/*.parquet
  columns: {id: prediction, at: known_at, model: model_name, label: happened}
metrics:
  parquet: own/values
  columns: {id: prediction, at: known_at, model: model_name, metric: what, value: amount}
"""
INPUTS = """\
inputs:
  parquet: own/requests
  columns: {{id: prediction, at: asked_at, model: model_name, inputs: [{columns}]}}
"""
WORDS = {"champion": "control", "candidate": "treatment"}


def in_own_tables(folder: Path, **events: Sequence[Event]) -> MappedTelemetry:
    write("scores", folder, [_score(e) for e in events.get("predictions", ())], {
        "prediction": TEXT, "scored_at": LOCAL, "model_name": TEXT, "customer": TEXT,
        "model_version": WHOLE, "trial": TEXT, "trial_step": TEXT, "share_bp": WHOLE,
        "variant": TEXT, "was_shown": pyarrow.bool_(), "probability": NUMBER, "failure": TEXT,
        "seconds": NUMBER, "not_mapped": TEXT,
    })  # fmt: skip
    labels = [{**_known(e), "happened": e["label"]} for e in events.get("outcomes", ())]
    write("labels", folder, labels, KNOWN | {"happened": NUMBER})
    values = [
        {**_known(e), "what": e["metric"], "amount": e["value"]} for e in events.get("metrics", ())
    ]
    write("values", folder, values, KNOWN | {"what": TEXT, "amount": NUMBER})
    requests = list(events.get("inputs", ()))
    inputs = sorted({column for e in requests for column in e["inputs"]})
    if inputs:
        rows = [{**_known(e), "asked_at": local(e["at"]), **e["inputs"]} for e in requests]
        kinds = {name: _kind([row.get(name) for row in rows]) for name in inputs}
        write("requests", folder, rows, KNOWN | {"asked_at": LOCAL} | kinds)
    mapping = folder / "telemetry.yaml"
    asked = INPUTS.format(columns=", ".join(json.dumps(name) for name in inputs))
    mapping.write_text(MAPPING + (asked if inputs else ""))
    return MappedTelemetry(folder, load_map(mapping), trials=lambda: ())


KNOWN = {"prediction": TEXT, "known_at": LOCAL, "model_name": TEXT}


def write(name: str, folder: Path, rows: Sequence[Event], kinds: Event) -> None:
    """Two files, so that a folder is read whole."""
    target = folder / "own" / name
    target.mkdir(parents=True, exist_ok=True)
    half = len(rows) // 2
    for number, part in enumerate((rows[:half], rows[half:])):
        table = pyarrow.Table.from_pylist(list(part), schema=pyarrow.schema(list(kinds.items())))
        pyarrow.parquet.write_table(table, target / f"{number}.parquet")


def local(at: str) -> datetime:
    """As a clock on the wall in New York shows it."""
    return datetime.fromisoformat(at).astimezone(NEW_YORK).replace(tzinfo=None)


def _known(event: Event) -> Event:
    known = {"prediction": event["id"], "known_at": local(event["at"])}
    return known | {"model_name": event["model"]}


def _score(event: Event) -> Event:
    latency = event["latency_ms"]
    return {
        "prediction": event["id"], "scored_at": local(event["at"]), "model_name": event["model"],
        "customer": event["unit"], "model_version": int(event["version"]),
        "trial": event["release"], "trial_step": event["step"], "share_bp": event["weight_bp"],
        "variant": WORDS.get(event["arm"], event["arm"]), "was_shown": event["served"],
        "probability": event["score"], "failure": event["error"],
        "seconds": None if latency is None else latency / 1000, "not_mapped": "x",
    }  # fmt: skip


def _kind(values: Sequence[Any]) -> Any:
    return next((pyarrow.scalar(v).type for v in values if v is not None), NUMBER)
