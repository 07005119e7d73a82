"""Harm that begins late: the same windows again, from the beginning of each later step.

A month of good days hides a bad week in their mean. So half of the harm mixture stays with all
days, and the other half is shared out, before anything is seen, among the steps still to come:
each share is an e-process of its own, one until its step begins. A mixture of e-processes over
their starting points, with weights fixed beforehand, is an e-process (Shin, Ramdas and Rinaldo
2023, e-detectors), so the release keeps its one false-rollback rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from policies.vocabulary import WindowPair

WHOLE_SHARE = 0.5


class Since(NamedTuple):
    """What one later step adds: its windows and those after them."""

    step: str
    windows: tuple[WindowPair, ...]


def since_each_step(windows: Sequence[WindowPair]) -> list[Since]:
    """For every step after the first, in the order in which they began."""
    order = steps_in_order(windows)
    return [
        Since(step, tuple(w for w in windows if order.index(w.step) >= place))
        for place, step in enumerate(order)
        if place > 0
    ]


def steps_in_order(windows: Sequence[WindowPair]) -> list[str]:
    """As they began; of two that began on one day, the one that ended earlier comes first."""
    starts: dict[str, list[datetime]] = {}
    for window in windows:
        starts.setdefault(window.step, []).append(window.start)
    return sorted(starts, key=lambda step: (min(starts[step]), max(starts[step])))


def in_order(windows: Sequence[WindowPair]) -> list[WindowPair]:
    """Step by step, and by time within a step."""
    order = steps_in_order(windows)
    return sorted(windows, key=lambda w: (order.index(w.step), w.start))


def mixed(whole: float, later: Sequence[float], steps: int) -> float:
    """Log e-value of the mixture. ``steps``: how many later steps the release has in all."""
    steps = max(steps, len(later))
    if steps == 0:
        return whole
    share = math.log((1.0 - WHOLE_SHARE) / steps)
    terms = [math.log(WHOLE_SHARE) + whole, *(share + each for each in later)]
    if waiting := steps - len(later):
        terms.append(share + math.log(waiting))
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))
