"""Which of very many looks are shown, so that a page stays a page.

Never left out: the first and the last, the extremes, and what stands on either side of a change,
as long as the changes themselves are not too many; then they are spread evenly, like the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Point = TypeVar("Point")
MOST = 180  # points a chart; more than a screen has room for whiskers


def thin(
    points: Sequence[Point],
    *,
    kind: Callable[[Point], Hashable],
    sizes: Sequence[Callable[[Point], float | None]] = (),
    most: int = MOST,
) -> tuple[Point, ...]:
    """At most ``most`` points, in order. ``kind``: what a change is of; ``sizes``: of extremes."""
    if len(points) <= most:
        return tuple(points)
    kept = {0, len(points) - 1}
    for size in sizes:
        kept |= _extremes([size(point) for point in points])
    changes = _changes([kind(point) for point in points])
    for candidates in (changes, range(len(points))):
        kept |= set(_evenly(sorted(set(candidates) - kept), max(0, most - len(kept))))
    return tuple(points[place] for place in sorted(kept))


def _extremes(values: Sequence[float | None]) -> set[int]:
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    return {min(known)[1], max(known)[1]} if known else set()


def _changes(kinds: Sequence[Hashable]) -> set[int]:
    places = [n for n in range(1, len(kinds)) if kinds[n] != kinds[n - 1]]
    return {*places, *(n - 1 for n in places)}


def _evenly(places: Sequence[int], most: int) -> list[int]:
    if len(places) <= most:
        return list(places)
    return [places[n * len(places) // most] for n in range(most)]
