"""Do the features and scores seen online agree with those computed offline?

The reference rows carry the features and the score as they were at training time; the serving
path was asked the same rows. Leakage, a changed unit and a broken encoding all show here before
anybody is served.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from policies.errors import EvidenceError
from policies.schema import Parity
from policies.vocabulary import Evidence

RELATIVE = 1e-6
TOLD = 5  # how many of the worst columns are named

Features = Sequence[Mapping[str, Any]]


def feature_parity(rules: Parity, reference: Features, served: Features | None) -> Evidence:
    """Share of feature values that differ by more than a relative 1e-6.

    A column on one side only differs in every row. A model that cannot tell its features,
    or has no reference rows, is scarce: parity that was not shown holds the release.
    """
    name, limit = "feature parity", rules.feature_share_moved
    if not reference:
        return _not_shown(name, limit, "The version carries no reference rows with features.")
    if served is None:
        return _not_shown(
            name, limit, "Parity is not shown: the model cannot tell which features it computed."
        )
    _refuse_other_number(len(reference), len(served))
    columns = sorted({column for row in (*reference, *served) for column in row})
    if not columns:
        return _not_shown(name, limit, "The reference rows carry no features.")
    moved = {column: _moved(column, reference, served) for column in columns}
    values = len(columns) * len(reference)
    return Evidence(
        name=name,
        kind="check",
        effect=sum(moved.values()) / values,
        limit=limit,
        n=len(reference),
        unit="of feature values differ",
        method=f"offline against online, relative {RELATIVE:g}, {len(columns)} features",
        detail=_worst(moved, reference, served),
    )


def score_parity(
    rules: Parity, reference: Sequence[float], served: Sequence[float | None]
) -> Evidence:
    """Share of scores further apart than ``score_tolerance``; no answer is a difference."""
    name, limit = "score parity", rules.score_share_moved
    if not reference:
        return _not_shown(name, limit, "The version carries no reference rows with scores.")
    if not all(math.isfinite(score) for score in reference):
        raise EvidenceError(
            "A reference score is not a number.",
            advice="Register the version again with a sound reference sample.",
        )
    _refuse_other_number(len(reference), len(served))
    gaps = [
        math.inf if online is None or not math.isfinite(online) else abs(offline - online)
        for offline, online in zip(reference, served, strict=True)
    ]
    finite = [gap for gap in gaps if math.isfinite(gap)]
    largest = f"Largest difference {max(finite):.3g}" if finite else "No row was answered"
    return Evidence(
        name=name,
        kind="check",
        effect=sum(gap > rules.score_tolerance for gap in gaps) / len(gaps),
        limit=limit,
        n=len(gaps),
        unit="of scores differ",
        method=f"offline against online, tolerance {rules.score_tolerance:g}",
        detail=f"{largest}; {len(gaps) - len(finite)} rows without a sound answer.",
    )


def _not_shown(name: str, limit: float, detail: str) -> Evidence:
    return Evidence(name=name, kind="check", status="scarce", limit=limit, detail=detail)


def _refuse_other_number(offline: int, online: int) -> None:
    if offline != online:
        raise EvidenceError(
            f"{offline} reference rows were asked and {online} answers came back.",
            advice="Ask the serving path again; if it repeats, look at the gateway's log.",
        )


def _moved(column: str, reference: Features, served: Features) -> int:
    return sum(
        (column in offline) != (column in online)
        or _differs(offline.get(column), online.get(column))
        for offline, online in zip(reference, served, strict=True)
    )


def _differs(offline: Any, online: Any) -> bool:
    if _is_missing(offline) or _is_missing(online):
        return _is_missing(offline) != _is_missing(online)
    if isinstance(offline, int | float) and isinstance(online, int | float):
        return not math.isclose(offline, online, rel_tol=RELATIVE, abs_tol=0.0)
    if isinstance(offline, list) and isinstance(online, list):
        return len(offline) != len(online) or any(map(_differs, offline, online))
    if isinstance(offline, dict) and isinstance(online, dict):
        names = offline.keys() | online.keys()
        return any(_differs(offline.get(name), online.get(name)) for name in names)
    if isinstance(offline, str) and isinstance(online, str) and offline != online:
        return not _same_moment(offline, online)
    return bool(offline != online)


def _same_moment(offline: str, online: str) -> bool:
    """One time has many spellings; without a zone it is UTC, as in the model's own table."""
    try:
        first, second = (datetime.fromisoformat(text) for text in (offline, online))
    except ValueError:
        return False
    return _in_utc(first) == _in_utc(second)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _is_missing(value: Any) -> bool:
    """JSON has no NaN: a missing number arrives as null."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _worst(moved: Mapping[str, int], reference: Features, served: Features) -> str:
    worst = sorted((column for column in moved if moved[column]), key=lambda c: (-moved[c], c))
    told = [
        f"{column}: {moved[column] / len(reference):.1%} of rows differ, "
        f"offline {_summary(column, reference)}, online {_summary(column, served)}"
        for column in worst[:TOLD]
    ]
    if not told:
        return "Every feature agrees."
    more = f" and {len(worst) - TOLD} more features" if len(worst) > TOLD else ""
    return "; ".join(told) + more + "."


def _summary(column: str, rows: Features) -> str:
    values = [row[column] for row in rows if column in row and not _is_missing(row[column])]
    if not values:
        return "missing"
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return f"{len({str(value) for value in values})} distinct values"
    gap = f", {1 - len(values) / len(rows):.0%} missing" if len(values) < len(rows) else ""
    return f"mean {math.fsum(numbers) / len(numbers):.4g}{gap}"
