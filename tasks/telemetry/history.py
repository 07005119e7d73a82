"""What units brought before a release, and how far their values are adjusted by it (CUPED).

The variance of a comparison shrinks by the square of the correlation between a unit's value and
what the same unit brought before the comparison (Deng, Xu, Kohavi and Walker 2013). Both figures
are estimated on two stretches of days that were over when the release opened: how the first tells
the second is how the second will tell the release. Nothing is estimated on the release itself, so
what is subtracted is settled before any answer and the same rule in both arms. The days of splits
of earlier releases stay out: units meet the same arm each time, and so would their history.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from policies.errors import EvidenceError, RefusedError
from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import Adjustment, Frozen, PairMoments
from tasks.telemetry.days import Day, closed_days, local_days
from tasks.telemetry.log_buckets import thresholds_of
from tasks.telemetry.ports import Telemetry, UnitHistory, UnitMetric

FEWEST_UNITS = 100  # in both stretches, before theta is believed
LEAST_SPREAD = 1e-12  # of what is squared; less is rounding


def frozen_of(source: Telemetry, model: str, policy: ReleasePolicy, now: datetime) -> Frozen:
    """Everything that a policy wants settled when its release opens."""
    return Frozen(
        thresholds=thresholds_of(source, model, policy, now),
        adjustments={
            rail.name: _adjustment(source, model, policy, rail, now)
            for rail in policy.guardrails
            if rail.cuped_days is not None
        },
    )


def _adjustment(
    source: Telemetry, model: str, policy: ReleasePolicy, rail: Guardrail, now: datetime
) -> Adjustment:
    metric = unit_metric(rail, policy)
    before, then = stretches(rail.cuped_days or 0, metric, now, policy.labels.time_zone)
    history = source.unit_history(model, metric, before=before, then=then)
    return adjustment_of(model, history, then[0][0], then[-1][1])


def unit_metric(
    rail: Guardrail, policy: ReleasePolicy, adjustment: Adjustment | None = None
) -> UnitMetric:
    return UnitMetric.model_validate(
        {
            "name": rail.name_of_metric,
            "horizon_hours": policy.labels.horizon_hours,
            "cap": rail.cap,
            "without_value": rail.without_value,
            "adjustment": adjustment,
        }
    )


def adjusted(rail: Guardrail, frozen: Frozen) -> Adjustment | None:
    """What was settled at the opening; nothing settled is no default where a policy asks for it."""
    if rail.cuped_days is not None and rail.name not in frozen.adjustments:
        raise RefusedError(
            f"{rail.name}: no adjustment was recorded when the release opened.",
            advice="Roll it back and begin again: it is settled before the first answer.",
        )
    return frozen.adjustments.get(rail.name)


def stretches(
    days: int, metric: UnitMetric, now: datetime, time_zone: str
) -> tuple[Sequence[Day], Sequence[Day]]:
    """Two stretches of so many local days, one after the other, to which nothing can be added."""
    horizon = timedelta(hours=metric.horizon_hours)
    whole = local_days(now - horizon - timedelta(days=2 * days + 1), now, time_zone)
    over = closed_days(whole, horizon, now)
    return over[-2 * days : -days], over[-days:]


def adjustment_of(model: str, history: UnitHistory, since: datetime, until: datetime) -> Adjustment:
    theta, correlation = theta_of(history.pairs)
    return Adjustment(
        model=model,
        theta=theta,
        correlation=correlation,
        n=history.pairs.n,
        known=history.known,
        mean=history.mean,
        since=since,
        until=until,
    )


def theta_of(pairs: PairMoments) -> tuple[float, float]:
    """Theta = cov(x, y) / var(x) and the correlation; zeros where they cannot be told.

    That is with too few units, units that are all alike but for rounding, or a correlation within
    three standard errors of none. A day brings what days brought, so theta lies between -1 and 1;
    an estimate beyond is cut there.
    """
    rounding = LEAST_SPREAD * (pairs.m2_x + pairs.n * pairs.mean_x**2)
    if pairs.n < FEWEST_UNITS or pairs.m2_x <= rounding or pairs.m2_y <= 0.0:
        return 0.0, 0.0
    correlation = pairs.c_xy / (math.sqrt(pairs.m2_x) * math.sqrt(pairs.m2_y))
    correlation = min(max(correlation, -1.0), 1.0)
    if correlation**2 * (pairs.n - 2) <= 9.0 * (1.0 - correlation**2):
        return 0.0, 0.0
    return min(max(pairs.c_xy / pairs.m2_x, -1.0), 1.0), correlation


def untold(settled: Adjustment) -> str:
    """Why theta is 0."""
    if settled.n < FEWEST_UNITS:
        return (
            f"{settled.n:,} users were served on both stretches of days before, and "
            f"{FEWEST_UNITS} are needed"
        )
    return f"what {settled.n:,} users brought does not tell what they bring later"


def same_days(adjustment: Adjustment, known: int, mean: float) -> None:
    """A window that has been weighed must not change, so the days before it must not either."""
    if known != adjustment.known or not math.isclose(
        mean, adjustment.mean, rel_tol=1e-9, abs_tol=1e-9
    ):
        raise EvidenceError(
            f"The days before the release no longer hold what they held when it opened: "
            f"{adjustment.known:,} users then, {known:,} now."
        )
