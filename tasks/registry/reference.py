"""The reference sample a version carries: what it computed offline, for parity when serving.

``reference/rows.jsonl`` in the model folder, one JSON object a line: ``inputs`` as requests
carry them, ``score`` as the trainer's own process answered, and ``features`` as computed when
training. A model that takes its inputs as they are (all it computes is in the model itself)
leaves ``features`` out: then what the serving path hands it is compared with the inputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from policies.errors import RefusedError
from policies.vocabulary import Value

REFERENCE_FILE = "reference/rows.jsonl"


class ReferenceRow(Value):
    """One raw request, the features the trainer computed from it offline, and its score."""

    inputs: dict[str, Any]
    features: dict[str, Any] | None = None  # None: the inputs as they are
    score: float

    @property
    def seen(self) -> dict[str, Any]:
        """What the model should see of this request when it serves."""
        return self.inputs if self.features is None else self.features


def reference_rows(folder: Path) -> list[ReferenceRow]:
    """Empty when the version carries no sample: then parity cannot be shown."""
    file = folder / REFERENCE_FILE
    if not file.exists():
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [ReferenceRow.model_validate(json.loads(line)) for line in lines if line.strip()]
    except (ValueError, ValidationError) as error:
        raise RefusedError(
            f"The reference sample of the version cannot be read: {error}",
            advice="Register the version again with one JSON object a line in "
            f"{REFERENCE_FILE}: inputs, features, score.",
        ) from error
    if len({row.features is None for row in rows}) > 1:
        raise RefusedError(
            "Some reference rows of the version have features and some have none.",
            advice="Register it again with features in every row, or in none.",
        )
    return rows


def takes_inputs_as_they_are(folder: Path) -> bool:
    """Whether the version says that it computes no features outside of the model."""
    with suppress(RefusedError):  # the trial reads the file again, and says what is wrong
        rows = reference_rows(folder)
        return bool(rows) and all(row.features is None for row in rows)
    return False


def write_reference(
    folder: Path,
    inputs: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
    features: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """For trainers: write the sample into a model folder before it is registered.

    ``scores``: what the model answered in the trainer's own process, one a row.
    """
    if not len(inputs) == len(scores) == len(inputs if features is None else features) > 0:
        raise RefusedError(
            f"{len(inputs)} inputs and {len(scores)} scores make no reference sample.",
            advice="Give one score (and, if any, one set of features) for each of some 50 rows.",
        )
    rows: list[dict[str, Any]] = [
        {"inputs": dict(row), "score": float(score)}
        for row, score in zip(inputs, scores, strict=True)
    ]
    for row, seen in zip(rows, features or (), strict=False):
        row["features"] = dict(seen)
    file = Path(folder) / REFERENCE_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows), "utf-8")
    return file
