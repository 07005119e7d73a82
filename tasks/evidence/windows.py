"""Windows as they are weighed: checked, one a day and step, in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby, pairwise

from policies.errors import EvidenceError
from policies.schema import Guardrail
from policies.vocabulary import Counts, Moments, PairMoments, WindowPair
from tasks.evidence.summary import (
    NO_COUNTS,
    NO_MOMENTS,
    NO_PAIRS,
    merge_counts,
    merge_moments,
    merge_pairs,
)

SHORTEST_DAY = timedelta(hours=20)  # local days last 23 to 25 hours


def is_by_unit(guardrail: Guardrail) -> bool:
    return guardrail.kind in ("mean", "randomised_mean")


def is_rate(guardrail: Guardrail) -> bool:
    return guardrail.kind in ("proportion", "quantile")


def is_ratio(guardrail: Guardrail) -> bool:
    return guardrail.kind == "ratio"


def by_day(windows: Sequence[WindowPair]) -> Iterable[list[WindowPair]]:
    return (list(day) for _, day in groupby(windows, key=lambda w: w.start))


def sum_moments(parts: Iterable[Moments | None]) -> Moments:
    total = NO_MOMENTS
    for part in parts:
        total = total if part is None else merge_moments(total, part)
    return total


def both(window: WindowPair) -> tuple[Counts, Counts]:
    return window.champion or NO_COUNTS, window.candidate or NO_COUNTS


def tidy(guardrail: Guardrail, windows: Sequence[WindowPair]) -> tuple[WindowPair, ...]:
    """Checked, in order of day and step, those of one day and step added together."""
    for window in windows:
        _check(guardrail, window)
    ordered = sorted(windows, key=lambda w: (w.start, w.step, w.model_dump_json()))
    groups = groupby(ordered, key=lambda w: (w.start, w.step))
    added = tuple(_add(guardrail, list(group)) for _, group in groups)
    for earlier, later in pairwise(added if guardrail.unit == "day" else ()):
        if timedelta(0) < later.start - earlier.start < SHORTEST_DAY:
            raise EvidenceError(
                f"{guardrail.name}: windows at {earlier.start} and {later.start} are not whole "
                "days, and parts of a day are not independent.",
                advice="Sum the rows of each local day and step into one window.",
            )
    return added


def _add(guardrail: Guardrail, group: Sequence[WindowPair]) -> WindowPair:
    if len(group) == 1:
        return group[0]
    if is_by_unit(guardrail):
        champion_units = sum_moments(w.champion_units for w in group)
        candidate_units = sum_moments(w.candidate_units for w in group)
        units = {"champion_units": champion_units, "candidate_units": candidate_units}
        return group[0].model_copy(update=units)
    if is_ratio(guardrail):
        champion_pairs = _sum_pairs(w.champion_pairs for w in group)
        candidate_pairs = _sum_pairs(w.candidate_pairs for w in group)
        pairs = {"champion_pairs": champion_pairs, "candidate_pairs": candidate_pairs}
        return group[0].model_copy(update=pairs)
    if not is_rate(guardrail):
        added = {"paired": sum_moments(w.paired for w in group)}
        if guardrail.gap is not None:
            added["others"] = sum_moments(w.others for w in group)
        return group[0].model_copy(update=added)
    champion, candidate = NO_COUNTS, NO_COUNTS
    for a, b in map(both, group):
        champion, candidate = merge_counts(champion, a), merge_counts(candidate, b)
    return group[0].model_copy(update={"champion": champion, "candidate": candidate})


def _sum_pairs(parts: Iterable[PairMoments | None]) -> PairMoments:
    total = NO_PAIRS
    for part in parts:
        total = total if part is None else merge_pairs(total, part)
    return total


def _check(guardrail: Guardrail, window: WindowPair) -> None:
    where = f"{guardrail.name}: window {window.start} {window.step!r}"
    if window.start.tzinfo is None:
        raise EvidenceError(f"{where} has a start without a time zone.")
    if is_rate(guardrail):
        if window.champion is None or window.candidate is None:
            raise EvidenceError(f"{where} lacks the counts of an arm.")
        for counts in (window.champion, window.candidate):
            if not 0 <= counts.events <= counts.n:
                raise EvidenceError(f"{where} has {counts.events} events in {counts.n} rows.")
        return
    if is_by_unit(guardrail):
        if window.champion_units is None or window.candidate_units is None:
            raise EvidenceError(f"{where} lacks the units of an arm.")
        _check_moments(where, window.champion_units)
        _check_moments(where, window.candidate_units)
        return
    if is_ratio(guardrail):
        if window.champion_pairs is None or window.candidate_pairs is None:
            raise EvidenceError(f"{where} lacks the two sums of an arm.")
        _check_pairs(where, window.champion_pairs)
        _check_pairs(where, window.candidate_pairs)
        return
    if window.paired is None:
        raise EvidenceError(f"{where} has no paired differences.")
    _check_moments(where, window.paired)
    if guardrail.gap is not None:
        if window.others is None:
            raise EvidenceError(f"{where} lacks the rows outside of the group.")
        _check_moments(where, window.others)


def _check_moments(where: str, part: Moments) -> None:
    if part.n < 0 or not math.isfinite(part.mean) or not part.m2 >= 0 or math.isinf(part.m2):
        raise EvidenceError(f"{where} has n={part.n}, mean={part.mean}, M2={part.m2}.")


def _check_pairs(where: str, part: PairMoments) -> None:
    """Two numbers cannot vary together by more than each varies (Cauchy and Schwarz)."""
    _check_moments(where, Moments.model_construct(n=part.n, mean=part.mean_x, m2=part.m2_x))
    _check_moments(where, Moments.model_construct(n=part.n, mean=part.mean_y, m2=part.m2_y))
    most = math.sqrt(part.m2_x) * math.sqrt(part.m2_y)
    if not abs(part.c_xy) <= most * (1.0 + 1e-6) + 1e-9:
        raise EvidenceError(f"{where} has c_xy={part.c_xy}, which its variances do not allow.")
