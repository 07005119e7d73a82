"""Crossing probabilities of a normal test looked at several times, by numerical recursion.

Armitage, McPherson and Rowe (1969): the density of the sum after look k, on the paths that have
not yet crossed, is that after look k - 1 folded with the normal increment between them. Gauss
and Legendre's rule on the region still open makes each fold one product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Numbers = NDArray[np.float64]

NODES = 96
FARTHEST = 9.0  # standard deviations below which a one-sided path is as good as gone


def crossing(boundaries: Sequence[float], information: Sequence[float], *, sides: int) -> Numbers:
    """Chance to cross first at each look: ``boundaries`` are of z, ``information`` its variance.

    One side: only values above the boundary stop; two sides: also those below its negative.
    """
    found, open_paths = [], None
    for boundary, before, now in zip(boundaries, [0.0, *information], information, strict=False):
        step = math.sqrt(now - before)
        above = boundary * math.sqrt(now)
        below = -above if sides == 2 else -FARTHEST * math.sqrt(now)
        found.append(_stops(open_paths, above, step, below if sides == 2 else None))
        open_paths = _open(open_paths, below, above, step)
    return np.asarray(found)


def spent_boundaries(
    spend: Callable[[float], float], information: Sequence[float], farthest: float = 9.0
) -> list[float]:
    """One-sided boundaries of z that stop, by each look, the chance ``spend`` of its share."""
    boundaries: list[float] = []
    spent = 0.0
    for look, share in enumerate(information, start=1):
        due = spend(share / information[-1]) - spent

        def surplus(boundary: float, look: int = look, due: float = due) -> float:
            tried = [*boundaries, boundary]
            return float(crossing(tried, information[:look], sides=1)[-1]) - due

        boundaries.append(float(brentq(surplus, 0.0, farthest, xtol=1e-7)))
        spent += due
    return boundaries


def obrien_fleming_spending(alpha: float) -> Callable[[float], float]:
    """Lan and DeMets (1983): the one-sided error spent by a share t of the information."""
    z = float(ndtri(1 - alpha / 2))
    return lambda t: 2.0 * (1.0 - float(ndtr(z / math.sqrt(t))))


Paths = tuple[Numbers, Numbers]  # where the paths still open stand, and how many of them


def _stops(paths: Paths | None, above: float, step: float, below: float | None) -> float:
    sums, share = (np.zeros(1), np.ones(1)) if paths is None else paths
    chance = ndtr((sums - above) / step)
    if below is not None:
        chance = chance + ndtr((below - sums) / step)
    return float(chance @ share)


def _open(paths: Paths | None, below: float, above: float, step: float) -> Paths:
    nodes, weights = _nodes()
    sums = below + (above - below) * (nodes + 1) / 2
    width = (above - below) / 2 * weights
    before, share = (np.zeros(1), np.ones(1)) if paths is None else paths
    gaps = (sums[:, None] - before[None, :]) / step
    density = np.exp(-(gaps**2) / 2) / (step * math.sqrt(2 * math.pi))
    return sums, width * (density @ share)


@cache
def _nodes() -> tuple[Numbers, Numbers]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights
