"""The README's table of what became of every scenario.

Keep in a file what the demo prints with ``--scenario all --json``, and name the file:
``python -m deployments.demo.outcomes all.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deployments.demo.scenarios import SCENARIOS

HEAD = ("scenario", "what is wrong", "outcome", "at", "exposed", "fault to zero", "to zero", "days")


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown, one line a row."""
    yield _line(HEAD)
    yield _line(["---"] * len(HEAD))
    for row in rows:
        yield _line(
            (
                f"`{row['scenario']}`",
                SCENARIOS[row["scenario"]].story,
                str(row["outcome"]).replace("_", " "),
                row["stage"] or "–",
                f"{row['exposed_requests']:,}".replace(",", " "),
                _told(row["hours_from_fault_to_zero"], "{:g} h"),
                _told(row["seconds_to_zero_traffic"], "{:.1f} s"),
                f"{row['days_replayed']:g}",
            )
        )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _told(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def main() -> None:
    for name in sys.argv[1:]:
        for line in table(json.loads(Path(name).read_text())):
            print(line)


if __name__ == "__main__":
    main()
