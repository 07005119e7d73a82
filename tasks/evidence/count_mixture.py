"""Evidence from rare events, exact at any count, zero included.

One window holds ``xa`` events of ``na`` champion rows and ``xb`` of ``nb`` candidate rows.
Against H0 "candidate rate at most champion rate + bound" the likelihood ratio of two rates
chosen before the window to their projection on the border of H0 is an e-value, whatever the
champion's rate in that window is (Turner, Ly and Gruenwald 2024; Turner and Gruenwald 2023).
The projection is the border point where the two arms' scores cancel; log E[ratio] is concave
along the border and zero with slope zero there, so it is nowhere positive. Windows multiply:
rates may drift between them and steps of the ramp are never pooled.

The chosen rates stand around the champion's rate in the days before. Several are mixed,
together with one share that never bets: a day unlike all others (a common outage, a first day
with a million rows) can cost at most that half, not all evidence to come.

The price: rows of one window are taken as independent given its two rates. That is why the
days decide once events are many (``tasks.evidence.sequential``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policies.vocabulary import Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Table = NDArray[Any]

NEVER_BETS = 0.5
HARM_GAPS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # in margins beyond the bound
TINY = 1e-9
LEAST = 1e-15  # keeps logarithms finite
HALVINGS = 48


@dataclass(frozen=True)
class CountWindow:
    """One window with the champion's events in the days before it."""

    champion: Counts
    candidate: Counts
    before: Counts


def log_e_count_above(windows: Sequence[CountWindow], bound: float, margin: float) -> float:
    """Log e-value against "candidate rate <= champion rate + bound" in every window."""
    if not windows:
        return 0.0
    import numpy as np

    base = _base_rates(windows, margin)
    gaps = np.asarray(HARM_GAPS) * margin
    almost_all = 0.9 * np.ones_like(base)  # a candidate that fails nearly every request
    rates = np.concatenate([base + bound + gaps, almost_all], axis=1)
    lowest = np.maximum(base + bound, 0.0)
    rates = np.clip(rates, lowest + TINY, np.maximum(1.0 - TINY, lowest + TINY))
    return _log_e(windows, base, rates, bound)


def log_e_count_below(windows: Sequence[CountWindow], bound: float, margin: float) -> float:
    """Log e-value against "candidate rate >= champion rate + bound" in every window."""
    if not windows:
        return 0.0
    import numpy as np

    base = _base_rates(windows, margin)
    rates = np.concatenate([base, base + bound / 2.0, base / 2.0], axis=1)
    highest = np.minimum(base + bound, 1.0)
    rates = np.clip(rates, np.minimum(TINY, highest - TINY), highest - TINY)
    return _log_e(windows, base, rates, bound)


def _base_rates(windows: Sequence[CountWindow], margin: float) -> Table:
    """The champion's rate in the days before; half an event at the margin when none are."""
    import numpy as np

    seen = np.array([[w.before.events, w.before.n] for w in windows], dtype=float)
    rate = (seen[:, 0] + 0.5) / (seen[:, 1] + 0.5 / margin)
    column: Table = np.clip(rate, TINY, 1.0 - TINY)[:, None]
    return column


def _log_e(windows: Sequence[CountWindow], base: Table, rates: Table, bound: float) -> float:
    """Mixture over the alternatives (columns) of products over the windows (rows)."""
    import numpy as np

    table = np.array(
        [[w.champion.events, w.champion.n, w.candidate.events, w.candidate.n] for w in windows],
        dtype=float,
    )
    xa, na, xb, nb = (table[:, [i]] for i in range(4))
    usable = (rates > 0.0) & (rates < 1.0)
    rates = np.where(usable, rates, 0.5)
    border = np.clip(_project(base, rates, na, nb, bound), LEAST, 1.0 - LEAST)
    border_b = np.clip(border + bound, LEAST, 1.0 - LEAST)
    log_ratio = _log_ratio(xa, na, base, border) + _log_ratio(xb, nb, rates, border_b)
    totals = np.where(usable, log_ratio, 0.0).sum(axis=0)
    betting = math.log1p(-NEVER_BETS) - math.log(len(totals))
    terms = np.append(totals + betting, math.log(NEVER_BETS))
    return float(np.logaddexp.reduce(terms))


def _log_ratio(x: Table, n: Table, chosen: Table, border: Table) -> Table:
    import numpy as np

    events: Table = x * (np.log(chosen) - np.log(border))
    others: Table = (n - x) * (np.log1p(-chosen) - np.log1p(-border))
    return events + others


def _project(base: Table, rates: Table, na: Table, nb: Table, bound: float) -> Table:
    """Champion rate of the border point nearest in Kullback-Leibler divergence, by bisection."""
    import numpy as np

    low = np.full(rates.shape, max(0.0, -bound))
    high = np.full(rates.shape, min(1.0, 1.0 - bound))
    for _ in range(HALVINGS):
        p = np.minimum(np.maximum((low + high) / 2.0, LEAST), 1.0 - LEAST)  # np.clip: 3x slower
        q = np.minimum(np.maximum(p + bound, LEAST), 1.0 - LEAST)
        slope = na * (base - p) / (p * (1.0 - p)) + nb * (rates - q) / (q * (1.0 - q))
        low, high = np.where(slope > 0, p, low), np.where(slope > 0, high, p)
    border: Table = (low + high) / 2.0
    return border
