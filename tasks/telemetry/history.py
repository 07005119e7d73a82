"""What units brought before a release, and how far their values are adjusted by it (CUPED).

The variance of a comparison shrinks by the square of the correlation between a unit's value and
what the same unit brought before the comparison (Deng, Xu, Kohavi and Walker 2013). Both figures
are estimated on two stretches of days that were over when the release opened: how the first tells
the second is how the second will tell the release. Nothing is estimated on the release itself, so
what is subtracted is settled before any answer and the same rule in both arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from policies.errors import RefusedError
from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import Adjustment, Frozen, PairMoments
from tasks.telemetry.days import Day, closed_days, local_days
from tasks.telemetry.log_buckets import thresholds_of
from tasks.telemetry.ports import Telemetry, UnitMetric

FEWEST_UNITS = 100  # with both stretches, before theta is believed


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
    pairs = source.unit_history(model, metric, before=before, then=then)
    return adjustment_of(pairs, then[0][0], then[-1][1])


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


def adjustment_of(pairs: PairMoments, since: datetime, until: datetime) -> Adjustment:
    """Theta = cov(x, y) / var(x); 0 where too few units, or units all alike, cannot tell it."""
    theta = correlation = 0.0
    if pairs.n >= FEWEST_UNITS and pairs.m2_x > 0.0:
        theta = pairs.c_xy / pairs.m2_x
        spread = math.sqrt(pairs.m2_x) * math.sqrt(pairs.m2_y)
        correlation = pairs.c_xy / spread if spread else 0.0
    if not (math.isfinite(theta) and math.isfinite(correlation)):
        theta = correlation = 0.0
    return Adjustment(
        theta=theta,
        mean=pairs.mean_x,
        n=pairs.n,
        correlation=min(max(correlation, -1.0), 1.0),
        since=since,
        until=until,
    )
