"""How complete the log of a release is, counted where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasks.telemetry.adapters.ibis_rows import answer, moment, utc
from tasks.telemetry.adapters.ibis_source import Source
from tasks.telemetry.ports import Logged


def logged(source: Source, release_id: str, now: datetime) -> Sequence[Logged]:
    rows = source.release(release_id, now)
    there = answer(rows.group_by("step").aggregate(lines=rows.count()))
    lines = {row["step"]: row["lines"] for row in there}
    drops = source.tables["drops"]
    ours = (drops.release == release_id) & (drops.kind == "predictions")
    drops = drops.filter(ours & (drops.at <= moment(now)))
    lost = answer(
        drops.group_by("step").aggregate(
            lost=drops.lines.sum(), since=drops.at.min(), until=drops.until.max()
        )
    )
    missing = {row.pop("step"): row for row in lost}
    return tuple(
        Logged(step=step, lines=lines.get(step, 0), **_known(missing.get(step, {})))
        for step in sorted(lines.keys() | missing.keys())
    )


def _known(lost: dict[str, object]) -> dict[str, object]:
    return {name: utc(x) if isinstance(x, datetime) else x for name, x in lost.items()}
