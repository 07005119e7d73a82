"""The gap between a group and everybody else: does the candidate move them apart?

For one local day, with ``d`` a row's loss of the candidate minus that of the champion::

    D = mean of d in the group - mean of d in all other rows

Zero says that the candidate changes things for the group as it does for the others, however good
or bad the group was served before; greater is worse for the group. Rows of one day share its
weather, so a day is one cluster, as in ``day_mixture``. A day weighs ``n_g n_o / (n_g + n_o)``:
counts alone, which carry no news of the gap. Days without rows on both sides say nothing.

The others are what is left of all rows without the group's, window by window; rows of which the
group is not known are among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from policies.errors import EvidenceError
from policies.schema import Guardrail
from policies.vocabulary import Evidence, Moments, WindowPair
from tasks.evidence.day_mixture import summarise_days
from tasks.evidence.day_sums import Days
from tasks.evidence.summary import NO_MOMENTS, merge_moments, subtract_moments
from tasks.evidence.windows import by_day, sum_moments


def against_others(
    whole: Sequence[WindowPair], group: Sequence[WindowPair]
) -> tuple[WindowPair, ...]:
    """The group's windows with all other rows of the same window beside them.

    ``EvidenceError`` when the group has rows that the whole has not: both must be of one reading.
    """
    every, own = _by_place(whole), _by_place(group)
    if missing := own.keys() - every.keys():
        start, step = min(missing)
        raise EvidenceError(f"A group has rows on {start} at {step!r}, and the whole has none.")
    return tuple(
        WindowPair(start=start, step=step, paired=part, others=subtract_moments(every[place], part))
        for place, part in sorted(own.items())
        for start, step in [place]
    )


def gap_days(windows: Sequence[WindowPair], trusted_from: int) -> tuple[Days, int] | None:
    """Days of gaps, greater is worse, and the group's rows in them; ``None`` without any."""
    means, sizes, rows = [], [], 0
    for day in by_day(windows):
        group, others = sum_moments(w.paired for w in day), sum_moments(w.others for w in day)
        if group.n == 0 or others.n == 0:
            continue
        means.append(group.mean - others.mean)
        sizes.append(group.n * others.n / (group.n + others.n))
        rows += group.n
    return (summarise_days(means, sizes, trusted_from), rows) if means else None


def as_declared(part: Guardrail, found: Evidence) -> Evidence:
    """Evidence of a gap under what the policy says of its group; any other as it is.

    A group with too few rows is never called safe. Harm is told as it stands: it has been paid
    for, and people who are harmed must not wait until they are many.
    """
    gap = part.gap
    if gap is None:
        return found
    required = not set(gap.values) <= set(gap.reported)
    if found.n >= gap.min_rows:
        return found.model_copy(update={"required": required})
    few = f"{found.n} of at least {gap.min_rows} rows of {gap.column} {', '.join(gap.values)}."
    safe = min(found.log_e_safe or 0.0, 0.0)
    return found.model_copy(
        update={
            "required": required,
            "status": "scarce",
            "log_e_safe": safe,
            "detail": f"{few} {found.detail}".strip(),
        }
    )


def _by_place(windows: Sequence[WindowPair]) -> dict[tuple[datetime, str], Moments]:
    found: dict[tuple[datetime, str], Moments] = {}
    for window in windows:
        place = (window.start, window.step)
        found[place] = merge_moments(found.get(place, NO_MOMENTS), window.paired or NO_MOMENTS)
    return {place: part for place, part in found.items() if part.n > 0}
