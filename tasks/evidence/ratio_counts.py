"""Evidence from counts, exact at any number of events, against a ratio of two rates.

One window holds ``xa`` events in ``na`` champion rows and ``xb`` in ``nb`` candidate rows. Given
their total, ``xb`` of two Poisson counts is binomial with the share ``k nb / (k nb + na)`` when
the rates stand as ``k`` to one (Lindon and Malek 2022). The likelihood ratio of a worse ratio
``c`` to the border ``k`` is therefore::

    log L = xb log(c / k) + (xa + xb) log((k nb + na) / (c nb + na))

No nuisance rate enters, so the base rate may drift from window to window as it likes. For
yes/no rows the mean of ``L`` is at most one as well, at any rate: with ``1 + y <= exp(y)`` the
product over rows is bounded by ``exp(nb pb (a - 1) + na pa (b - 1))``, where ``a`` and ``b`` are
the factors of one event in either arm, and that exponent is zero on the border. At high rates
this costs power (the variance is taken as ``p`` and not ``p (1 - p)``), never validity.

Windows multiply, one ratio at a time, and the ratios are mixed at the end: one rate ratio for
the whole release, whatever the share of each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

# How many times the border's rate a broken candidate may have, and how likely each is held to be
# beforehand: most of it on a quarter more, which needs every request to be seen in time; what is
# twice as bad is found with what is left.
HARM_RATIOS = (1.25, 2.0, 4.0, 20.0)
HARM_SHARES = (0.5, 0.3, 0.15, 0.05)
SAFE_RATIOS = (1.0, 0.9, 0.7, 0.4, 0.1)
SAFE_SHARES = (0.4, 0.2, 0.2, 0.1, 0.1)


def log_ratios(
    na: Floats, xa: Floats, nb: Floats, xb: Floats, border: float, ratios: Sequence[float]
) -> Floats:
    """Log likelihood ratio of each window (last axis but one) at each ratio (last axis).

    A window without rows of both arms says nothing: zero.
    """
    import numpy as np

    chosen = np.asarray(ratios)
    both = (na > 0) & (nb > 0)
    na, nb = np.where(both, na, 1.0)[..., None], np.where(both, nb, 1.0)[..., None]
    totals = (xa + xb)[..., None] * (np.log(border * nb + na) - np.log(chosen * nb + na))
    found: Floats = xb[..., None] * np.log(chosen / border) + totals
    return np.where(both[..., None], found, 0.0)


def mixed(log_products: Floats, shares: Sequence[float]) -> Floats:
    """Log of the mixture over the ratios (last axis), ``shares`` adding up to one."""
    import numpy as np

    found: Floats = np.logaddexp.reduce(log_products + np.log(np.asarray(shares)), axis=-1)
    return found


def harm_ratios(border: float) -> tuple[float, ...]:
    """Ratios beyond the border, so that each speaks for harm."""
    return tuple(border * ratio for ratio in HARM_RATIOS)


def safe_ratios(border: float) -> tuple[float, ...]:
    """Ratios on the good side of the border: at most as bad as the champion."""
    nearest = math.sqrt(border)  # halfway between "the same" and the border
    return tuple(min(ratio, nearest) for ratio in SAFE_RATIOS)
