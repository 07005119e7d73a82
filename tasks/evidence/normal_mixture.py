"""The one-sided normal mixture: evidence from a sum of differences and its variance.

``S`` is a sum of differences, ``V`` the sum of their variances. Against "the mean difference is
at most zero" the half-normal mixture of likelihood ratios (Howard, Ramdas, McAuliffe and Sekhon
2021, the one-sided normal mixture) has a closed form::

    log E = log 2 - log(1 + rho^2 V) / 2 + z^2 / 2 + log Phi(z),   z = rho S / sqrt(1 + rho^2 V)

It is sharpest where ``V`` is about what ``rho2_for`` was asked for. One scale would have to
choose between a fault that hundreds of rows show and a loss that only millions do, so several
are averaged, which is an e-process again. Everything is in logarithms: ``E`` itself would
overflow from ``S^2 / V`` = 1400 on. Arrays of one shape go in and out; validity with estimated
variances is asymptotic (Waudby-Smith et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

# Shares of the planned information at which the mixture is sharp: from the first hundreds of
# candidate requests in a one-percent canary to the end of the release.
SCALES = (1.0, 0.1, 0.01, 0.001)


def log_e(s: Floats, v: Floats, rho2: Floats | float) -> Floats:
    """Log e-value of one scale. ``v`` = 0 is no evidence, whatever ``s`` says."""
    import numpy as np
    from scipy.special import log_ndtr

    spread = 1.0 + rho2 * v
    z = np.sqrt(rho2 / spread) * s
    found: Floats = math.log(2.0) - 0.5 * np.log(spread) + 0.5 * z * z + log_ndtr(z)
    return np.where(v > 0.0, found, 0.0)


def log_e_mixed(
    s: Floats, v: Floats, planned: Floats | float, error_rate: float,
    scales: Sequence[float] = SCALES,
) -> Floats:  # fmt: skip
    """Log of the mean e-value over the scales. ``planned``: ``V`` at the end of the release."""
    import numpy as np

    terms = [log_e(s, v, rho2_for(planned * np.float64(scale), error_rate)) for scale in scales]
    found: Floats = np.logaddexp.reduce(terms, axis=0) - math.log(len(scales))
    return found


def rho2_for(v_opt: Floats | float, error_rate: float) -> Any:
    """Prior variance that makes the bound tight at ``v_opt`` (Waudby-Smith et al. 2021, eq. 161,
    with twice the rate because one side is tested)."""
    log_a = math.log(2.0 * error_rate)
    return (-2.0 * log_a + math.log(1.0 - 2.0 * log_a)) / v_opt
