"""A column mapping is refused with every fault at its line, like a policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.errors import PolicyError
from policies.loader import LoadedMap, load_map

SOUND = """\
time_zone: Europe/Paris
predictions:
  parquet: scores
  columns: {id: p, at: t, model: {value: churn}, version: v, served: shown, score: s}
"""


def read(tmp_path: Path, text: str) -> LoadedMap:
    path = tmp_path / "telemetry.yaml"
    path.write_text(text)
    return load_map(path)


def test_a_sound_mapping_keeps_its_lines(tmp_path: Path) -> None:
    """A fault that only the table shows can still be told with its line and field."""
    loaded = read(tmp_path, SOUND)
    assert loaded.mapping.sections().keys() == {"predictions"}
    told = loaded.fault(("predictions", "columns", "score"), "there is no column s.")
    assert told.endswith("telemetry.yaml:4: predictions.columns.score: there is no column s.")
    assert ":3: predictions.parquet: x" in loaded.fault(("predictions", "parquet"), "x")


FAULTS = [
    ("Europe/Paris", "Europe/Atlantis", "1: time_zone: is 'Europe/Atlantis', which is no time"),
    ("id: p, ", "", "4: predictions.columns.id: is missing. Write text."),
    ("id: p", "id: 7", "4: predictions.columns.id: is 7. Write text."),
    ("id: p", "idd: p", "4: predictions.columns.idd: is not a field. Did you mean id?"),
    ("{value: churn}", "{valeu: churn}", "4: predictions.columns.model.value: is missing."),
    ("model: {value: churn}", "model: [a]", "4: predictions.columns.model"),
    ("parquet: scores", "parquet: a\n  csv: b", "exactly one of parquet, csv and url"),
    ("parquet: scores", "url: postgres://x", "url and table belong together"),
    ("version: v, ", "", "the version is needed"),
    ("version: v", "release: r", "all three, or none"),
    ("version: v", "release: r, step: s, weight_bp: w", "the arm is needed too"),
    ("score: s", "score: s, label: y", "label and label_at belong together"),
    ("predictions:", "predictionss:", "predictionss: is not a field. Did you mean predictions?"),
    (SOUND, "", "1: document: is empty. Start with 'predictions:'"),
]


@pytest.mark.parametrize(("old", "new", "fault"), FAULTS, ids=[f[2] for f in FAULTS])
def test_a_wrong_mapping_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """What is wrong, where, and what to do: read it again with the doctor."""
    with pytest.raises(PolicyError) as refused:
        read(tmp_path, SOUND.replace(old, new))
    assert fault in str(refused.value)
    assert "doctor" in refused.value.advice


def test_labels_in_two_places_and_two_engines_are_refused(tmp_path: Path) -> None:
    beside = SOUND.replace("score: s", "score: s, label: y, label_at: z")
    elsewhere = "outcomes:\n  csv: labels\n  columns: {id: p, at: t, model: m, label: y}\n"
    with pytest.raises(PolicyError, match="Keep one of them"):
        read(tmp_path, beside + elsewhere)
    database = elsewhere.replace("csv: labels", "url: postgres://x\n  table: y")
    with pytest.raises(PolicyError, match="One engine"):
        read(tmp_path, SOUND + database)
