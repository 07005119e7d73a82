"""What staging says about serving, as plain functions for a release and a rehearsal."""

from __future__ import annotations

from collections.abc import Sequence

from policies.vocabulary import Evidence
from tasks.traffic.flag import RULE
from tasks.traffic.ports import Probe


def check_loading(faults: Sequence[str], replicas: int) -> Evidence:
    return Evidence(
        name="loading",
        kind="check",
        effect=float(len(faults)),
        limit=0.0,
        n=replicas,
        unit="replicas could not load the candidate",
        detail="; ".join(faults),
    )


def rule_probe(score: float, rows: int) -> Probe:
    """A baseline rule is asked nothing: it gives every row the same answer, at once."""
    return Probe(
        scores=(score,) * rows,
        features=None,
        latency_ms=(),
        errors=0,
        memory_mb=None,
        digest=RULE,
    )


def check_fallback(champion: Probe, rows: int) -> Evidence:
    """A rollback target that does not answer every row is none."""
    return Evidence(
        name="rollback target",
        kind="check",
        status="ok" if rows else "scarce",
        effect=float(champion.errors),
        limit=0.0,
        n=rows,
        unit="sample rows the champion failed",
        method="the champion on the serving path",
    )
