"""The reference sample a version carries: what it computed offline, for parity when serving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from policies.errors import RefusedError
from policies.vocabulary import Value

REFERENCE_FILE = "reference/rows.jsonl"


class ReferenceRow(Value):
    """One raw request, the features the trainer computed from it offline, and its score."""

    inputs: dict[str, Any]
    features: dict[str, Any]
    score: float


def reference_rows(folder: Path) -> list[ReferenceRow]:
    """Empty when the version carries no sample: then parity cannot be shown."""
    file = folder / REFERENCE_FILE
    if not file.exists():
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [ReferenceRow.model_validate(json.loads(line)) for line in lines if line.strip()]
    except (ValueError, ValidationError) as error:
        raise RefusedError(
            f"The reference sample of the version cannot be read: {error}",
            advice="Register the version again with one JSON object a line in "
            f"{REFERENCE_FILE}: inputs, features, score.",
        ) from error
