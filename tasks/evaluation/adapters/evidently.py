"""The drift page drawn by Evidently, for people to look at. It gates nothing.

Importing the library costs 5 to 9 s and happens inside the call; a report on 2,000 rows takes
half a second and the page, which carries its own scripts, is 4 MB.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from policies.errors import EvidenceError, RefusedError

MAX_ROWS = 2000  # a page for people needs no more, and Evidently slows down quickly
METHOD = "psi"  # population stability index, the same for every column
THRESHOLD = 0.2  # the customary mark of a large shift; it colours the page


class EvidentlyDriftPage:
    """The ``DriftPage`` port on Evidently's data-drift preset."""

    def draw(
        self, reference: Sequence[dict[str, Any]], current: Sequence[dict[str, Any]], to: Path
    ) -> Path:
        """``EvidenceError`` without rows on both sides; columns only one side has are left out."""
        if not reference or not current:
            raise EvidenceError(
                "A drift page compares two samples and one of them is empty.",
                advice="Wait for traffic, or register the version with reference rows.",
            )
        columns = sorted(
            {c for row in reference for c in row} & {c for row in current for c in row}
        )
        if not columns:
            raise EvidenceError(
                "The two samples have no column in common.", advice="Check what is being logged."
            )
        page = _report(_thin(reference), _thin(current), columns)
        part = to.with_name(f".{to.name}")
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            page.save_html(str(part))
            part.replace(to)
        except OSError as error:
            with suppress(OSError):
                part.unlink()  # what a full disk has left of it
            raise RefusedError(
                f"The drift page cannot be written to {to}.",
                advice="Make room on the disk and check the folder's rights. It decides nothing.",
            ) from error
        return to


def _thin(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every k-th row: the same rows at every call, spread over the whole sample."""
    step = -(-len(rows) // MAX_ROWS)
    return list(rows[::step])


def _is_number(rows: Sequence[dict[str, Any]], column: str) -> bool:
    values = [row[column] for row in rows if row.get(column) is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _report(
    reference: list[dict[str, Any]], current: list[dict[str, Any]], columns: list[str]
) -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "true")  # its only switch, read at import
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [c for c in columns if _is_number(reference, c) and _is_number(current, c)]
    words = [column for column in columns if column not in numbers]
    shape = DataDefinition(numerical_columns=numbers, categorical_columns=words)

    def dataset(rows: list[dict[str, Any]]) -> Any:
        frame = pd.DataFrame(rows, columns=columns)
        frame[words] = frame[words].astype(str)
        frame[numbers] = frame[numbers].astype(float)
        return Dataset.from_pandas(frame, data_definition=shape)

    preset = DataDriftPreset(
        num_method=METHOD, cat_method=METHOD, num_threshold=THRESHOLD, cat_threshold=THRESHOLD
    )
    try:
        return Report([preset], include_tests=True).run(dataset(current), dataset(reference))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RefusedError(
            f"Evidently cannot compare these samples: {error}.",
            advice="The release does not need the page; look at the sample rows.",
        ) from error
