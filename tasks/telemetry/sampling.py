"""Is there enough recent, labelled traffic for a trial?"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from policies.schema import ReleasePolicy
from policies.vocabulary import Evidence
from tasks.telemetry.ports import SampleRow


def days_of(policy: ReleasePolicy, rows: Sequence[SampleRow]) -> list[str]:
    """The local day of each row: rows of one day resemble each other."""
    zone = ZoneInfo(policy.labels.time_zone)
    return [row.at.astimezone(zone).date().isoformat() for row in rows]


def sample_evidence(policy: ReleasePolicy, rows: Sequence[SampleRow]) -> Evidence:
    """Without enough recent, labelled traffic nothing is tried: the trial would say nothing."""
    labelled = sum(row.label is not None for row in rows)
    needed = policy.staging.min_labelled_rows
    return Evidence(
        name="traffic sample",
        kind="check",
        status="ok" if labelled >= needed else "scarce",
        effect=0.0,
        limit=0.0,
        n=len(rows),
        unit="rows short",
        method="newest served rows whose label horizon has passed",
        detail=f"{labelled} labelled rows of recent traffic, {needed} needed.",
    )
