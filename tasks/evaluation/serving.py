"""What only the serving path can show: latency, memory and answers that failed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import median

from policies.errors import EvidenceError
from policies.schema import ServingCheck
from policies.vocabulary import Evidence

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def latency_check(
    rules: ServingCheck, champion_ms: Sequence[float], candidate_ms: Sequence[float]
) -> Evidence:
    """Ratio of median latencies, candidate over champion, with a floor under both medians.

    Two models that answer within the floor have a ratio of one: nobody can tell them apart.
    """
    name, limit = "latency", rules.latency_ratio
    for value in (*champion_ms, *candidate_ms):
        if not math.isfinite(value) or value < 0:
            raise EvidenceError(f"A latency is {value} ms.", advice="Look at the gateway's timer.")
    if not champion_ms or not candidate_ms:
        return _scarce(name, limit, "One of the two models was not timed.")
    old, new = median(champion_ms), median(candidate_ms)
    floor = rules.latency_floor_ms
    return Evidence(
        name=name,
        kind="check",
        effect=max(new, floor) / max(old, floor),
        limit=limit,
        n=min(len(champion_ms), len(candidate_ms)),
        unit="times the champion's median",
        method=f"medians of one-row calls by turns, floor {floor:g} ms",
        detail=f"Candidate {new:.2f} ms, champion {old:.2f} ms{_counted(new, old, floor)}.",
    )


def _counted(new: float, old: float, floor: float) -> str:
    """A ratio that is not that of the two figures beside it wants its reason."""
    if new >= floor and old >= floor:
        return ""
    return f"; less than {floor:g} ms counts as {floor:g}"


def memory_check(rules: ServingCheck, memory_mb: float | None) -> Evidence:
    """Memory of the candidate's process; what was not measured is not a pass."""
    name, limit = "memory", rules.memory_mb
    if memory_mb is None:
        return _scarce(name, limit, "The serving process did not tell its memory.")
    if not math.isfinite(memory_mb) or memory_mb <= 0:
        raise EvidenceError(f"A process uses {memory_mb} MB.", advice="Look at the gateway's log.")
    return Evidence(
        name=name,
        kind="check",
        effect=memory_mb,
        limit=limit,
        n=1,
        unit="MB",
        method="resident memory of the candidate's process after the sample",
    )


def error_check(errors: int, rows: int, faults: Sequence[str] = ()) -> Evidence:
    """Every sample row must be answered: one that fails is shown before a user meets it.

    Timed calls fail too, so there may be more errors than rows. ``faults``: some of the reasons
    the model gave; what it quotes is left out, since rows may be about people.
    """
    if errors < 0 or rows < 0:
        raise EvidenceError(
            f"{errors} errors in {rows} rows.", advice="Ask the serving path again."
        )
    if rows == 0:
        return _scarce("answers", 0.0, "No sample row was asked.")
    return Evidence(
        name="answers",
        kind="check",
        effect=float(errors),
        limit=0.0,
        n=rows,
        unit="answers failed",
        method="every sample row on the real serving path",
        detail="; ".join(dict.fromkeys(_QUOTED.sub("…", fault) for fault in faults)),
    )


def _scarce(name: str, limit: float, detail: str) -> Evidence:
    return Evidence(name=name, kind="check", status="scarce", limit=limit, detail=detail)
