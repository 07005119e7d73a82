"""Where the bins of a column end, from its quantiles in a reference; and values as they count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

QUANTILES = tuple(tenth / 10 for tenth in range(11))  # from the least to the greatest value
MOST_CATEGORIES = 50  # the most frequent ones; every other text is of one bin


def edges_of(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The inner quantiles; a value that several of them share has a bin of its own.

    Its bin begins just below it, so that a column with one value shows a move to either side.
    """
    inner = set(quantiles[1:-1])
    shared = {low for low, high in pairwise(quantiles) if low == high}
    below = {math.nextafter(value, -math.inf) for value in shared}
    return tuple(sorted(inner | shared | below))


def quantiles_of(numbers: Sequence[float]) -> tuple[float, ...]:
    """Linear between neighbours (Hyndman and Fan 1996, definition 7), as databases do it."""
    ordered = sorted(numbers)
    last = len(ordered) - 1
    found = []
    for share in QUANTILES:
        place = share * last
        low = math.floor(place)
        left, right = ordered[low], ordered[min(low + 1, last)]
        found.append(left + (right - left) * (place - low))
    return tuple(found)


def number_of(value: Any) -> float | None:
    """A finite number, also one that was written as text; ``None`` for everything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
