"""Windows as they are weighed: checked, one a day and step, in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import lt, sub
from typing import get_args

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
LARGEST = 1e70  # beyond it sums of squares of squares overflow
KINDS = get_args(Guardrail.model_fields["kind"].annotation)


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


def check_plan(guardrail: Guardrail, margin_factor: float) -> None:
    """The schema refuses all of this; what came by another way is refused here."""
    if guardrail.kind not in KINDS:
        raise EvidenceError(f"{guardrail.name} is of the unknown kind {guardrail.kind!r}.")
    if not (math.isfinite(margin_factor) and margin_factor >= 1.0):
        raise EvidenceError(f"margin_factor is {margin_factor}, it must be at least 1.")
    if not 0.0 <= guardrail.rollback_at < guardrail.margin < LARGEST:
        raise EvidenceError(
            f"{guardrail.name} has the margin {guardrail.margin} and rolls back at "
            f"{guardrail.rollback_at}: bounds are of harm, and the margin is the greater one."
        )
    if not 0.0 < guardrail.information < math.inf:
        raise EvidenceError(f"{guardrail.name} plans for information {guardrail.information}.")


def tidy(guardrail: Guardrail, windows: Sequence[WindowPair]) -> tuple[WindowPair, ...]:
    """Checked, in order of day and step, those of one day and step added together.

    Parts of one day and step are added. One that stands twice, word for word, was delivered
    twice: counting its rows again would be evidence of nothing.
    """
    if not _are_sound(guardrail, windows):
        for window in windows:
            if (fault := _fault(guardrail, window)) is not None:
                where = f"{guardrail.name}: window {window.start} {window.step!r}"
                raise EvidenceError(f"{where} {fault}.")
    found = tuple(windows)
    starts = [window.start for window in found]
    if not all(map(lt, starts, starts[1:])):
        found = _in_order(guardrail, found)
        starts = [window.start for window in found]
    if guardrail.unit == "day":
        _refuse_parts_of_days(guardrail, starts)
    return found


def _are_sound(guardrail: Guardrail, windows: Sequence[WindowPair]) -> bool:
    """Whether nothing needs a second look: one pass for the many windows that are paired."""
    if guardrail.kind != "paired_mean" or guardrail.gap is not None:
        return False
    most, least = LARGEST, -LARGEST
    return all(
        (m := w.paired) is not None
        and 0 <= m.n <= most
        and least <= m.mean <= most
        and 0 <= m.m2 <= most
        and w.start.tzinfo is not None
        for w in windows
    )


def _in_order(guardrail: Guardrail, windows: Sequence[WindowPair]) -> tuple[WindowPair, ...]:
    ordered = sorted(windows, key=lambda w: (w.start, w.step, w.model_dump_json()))
    for one, other in pairwise(ordered):
        if one == other and has_rows(one):
            raise EvidenceError(
                f"{guardrail.name}: the window {one.start} {one.step!r} stands twice.",
                advice="Count each row once: the source delivered the same sums two times.",
            )
    groups = groupby(ordered, key=lambda w: (w.start, w.step))
    return tuple(_add(guardrail, list(group)) for _, group in groups)


def _refuse_parts_of_days(guardrail: Guardrail, starts: Sequence[datetime]) -> None:
    gaps = set(map(sub, starts[1:], starts))
    if any(timedelta(0) < gap < SHORTEST_DAY for gap in gaps):
        pairs = pairwise(starts)
        earlier, later = next(p for p in pairs if timedelta(0) < p[1] - p[0] < SHORTEST_DAY)
        raise EvidenceError(
            f"{guardrail.name}: windows at {earlier} and {later} are not whole days, and parts of "
            "a day are not independent.",
            advice="Sum the rows of each local day and step into one window.",
        )


def has_rows(window: WindowPair) -> bool:
    parts = (window.paired, window.champion, window.candidate)
    units = (window.champion_units, window.candidate_units)
    pairs = (window.champion_pairs, window.candidate_pairs)
    return any(part is not None and part.n > 0 for part in (*parts, *units, *pairs))


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


def _fault(guardrail: Guardrail, window: WindowPair) -> str | None:
    """What is impossible about a window."""
    if window.start.tzinfo is None:
        return "has a start without a time zone"
    if is_rate(guardrail):
        return _fault_of_counts(window.champion) or _fault_of_counts(window.candidate)
    if is_by_unit(guardrail):
        if window.champion_units is None or window.candidate_units is None:
            return "lacks the units of an arm"
        champion = _fault_of_moments(window.champion_units)
        return champion or _fault_of_moments(window.candidate_units)
    if is_ratio(guardrail):
        return _fault_of_pairs(window.champion_pairs) or _fault_of_pairs(window.candidate_pairs)
    if window.paired is None:
        return "has no paired differences"
    if guardrail.gap is not None:
        if window.others is None:
            return "lacks the rows outside of the group"
        return _fault_of_moments(window.paired) or _fault_of_moments(window.others)
    return _fault_of_moments(window.paired)


def _fault_of_counts(part: Counts | None) -> str | None:
    if part is None:
        return "lacks the counts of an arm"
    possible = 0 <= part.events <= part.n < math.inf
    return None if possible else f"has {part.events} events in {part.n} rows"


def _fault_of_moments(part: Moments) -> str | None:
    if not (0 <= part.n < math.inf and math.isfinite(part.mean) and 0 <= part.m2 < math.inf):
        return f"has n={part.n}, mean={part.mean}, M2={part.m2}"
    if max(part.n, abs(part.mean), part.m2) > LARGEST:
        return f"has numbers too large to be weighed: mean={part.mean:g}, M2={part.m2:g}"
    return None


def _fault_of_pairs(part: PairMoments | None) -> str | None:
    """Two numbers cannot vary together by more than each varies (Cauchy and Schwarz)."""
    if part is None:
        return "lacks the two sums of an arm"
    for mean, m2 in ((part.mean_x, part.m2_x), (part.mean_y, part.m2_y)):
        fault = _fault_of_moments(Moments.model_construct(n=part.n, mean=mean, m2=m2))
        if fault is not None:
            return fault
    most = math.sqrt(part.m2_x) * math.sqrt(part.m2_y)
    if not abs(part.c_xy) <= most * (1.0 + 1e-6) + 1e-9:
        return f"has c_xy={part.c_xy}, which its variances do not allow"
    return None
