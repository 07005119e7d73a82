"""Windows as they are weighed: checked, one a day and step, in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby, pairwise
from operator import attrgetter, sub
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

SHORTEST_DAY = timedelta(hours=20)  # local days last 23 to 25 hours
LARGEST = 1e70  # beyond it sums of squares of squares overflow
_place, _zone = attrgetter("start", "step"), attrgetter("start.tzinfo")
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


class Tidied(NamedTuple):
    windows: tuple[WindowPair, ...]
    paired: tuple[Floats, Floats] | None  # rows and means, where the check has read them


def tidy(guardrail: Guardrail, windows: Sequence[WindowPair]) -> tuple[WindowPair, ...]:
    """Checked, in order of day and step, those of one day and step added together.

    Parts of one day and step are added. One that stands twice, word for word, was delivered
    twice: counting its rows again would be evidence of nothing.
    """
    return tidied(guardrail, windows).windows


def tidied(guardrail: Guardrail, windows: Sequence[WindowPair]) -> Tidied:
    """As ``tidy``, with the numbers that were read on the way."""
    found = tuple(windows)
    if not all(map(_zone, found)):
        _refuse_faults(guardrail, found)
    near = _near(found)
    if any(_place(found[at]) > _place(found[at + 1]) for at in near):
        found = tuple(sorted(found, key=_place))
        near = _near(found)
    paired = _sound(guardrail, found)
    if paired is None:
        _refuse_faults(guardrail, found)
    if any(_place(found[at]) == _place(found[at + 1]) for at in near):
        found, paired = _added_up(guardrail, found), None
        near = _near(found)
    if guardrail.unit == "day":
        _refuse_parts_of_days(guardrail, found, near)
    return Tidied(found, paired)


def _near(windows: Sequence[WindowPair]) -> list[int]:
    """After which of them the next one does not begin another day."""
    starts = [window.start for window in windows]
    gaps = map(sub, starts[1:], starts)
    return [at for at, gap in enumerate(gaps) if gap < SHORTEST_DAY]


def _refuse_faults(guardrail: Guardrail, windows: Sequence[WindowPair]) -> None:
    for window in windows:
        if (fault := _fault(guardrail, window)) is not None:
            where = f"{guardrail.name}: window {window.start} {window.step!r}"
            raise EvidenceError(f"{where} {fault}.")


def _sound(guardrail: Guardrail, windows: Sequence[WindowPair]) -> tuple[Floats, Floats] | None:
    """``None`` where windows need a second look, one by one: only the many paired ones do not."""
    import numpy as np

    if guardrail.kind != "paired_mean" or guardrail.gap is not None:
        return None
    parts = [m for w in windows if (m := w.paired) is not None]
    if len(parts) < len(windows):
        return None
    n, mean, m2 = (
        np.fromiter(map(attrgetter(field), parts), dtype=float, count=len(parts))
        for field in ("n", "mean", "m2")
    )
    counted = (n >= 0.0) & (n <= LARGEST) & (m2 >= 0.0) & (m2 <= LARGEST)
    return (n, mean) if (counted & (abs(mean) <= LARGEST)).all() else None


def _added_up(guardrail: Guardrail, windows: Sequence[WindowPair]) -> tuple[WindowPair, ...]:
    ordered = sorted(windows, key=lambda w: (w.start, w.step, w.model_dump_json()))
    for one, other in pairwise(ordered):
        if one == other and has_rows(one):
            raise EvidenceError(
                f"{guardrail.name}: the window {one.start} {one.step!r} stands twice.",
                advice="Count each row once: the source delivered the same sums two times.",
            )
    return tuple(_add(guardrail, list(group)) for _, group in groupby(ordered, key=_place))


def _refuse_parts_of_days(
    guardrail: Guardrail, windows: Sequence[WindowPair], near: Sequence[int]
) -> None:
    for at in near:
        earlier, later = windows[at].start, windows[at + 1].start
        if earlier < later:
            raise EvidenceError(
                f"{guardrail.name}: windows at {earlier} and {later} are not whole days, and "
                "parts of a day are not independent.",
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
