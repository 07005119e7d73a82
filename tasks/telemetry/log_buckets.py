"""How long answers take, in buckets of a fixed logarithmic width; and a quantile of them, frozen.

A bucket ends one percent above where it begins, so a quantile is told one percent too high at
most, whatever the scale; counts of a bucket add up over periods and databases (the relative-error
sketch of Masson, Rim and Lee 2019, "DDSketch", with a fixed grid and nothing collapsed).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from policies.errors import RefusedError
from policies.schema import Guardrail, ReleasePolicy
from policies.vocabulary import Threshold
from tasks.telemetry.ports import LogCounts, Telemetry

LOG_WIDTH = math.log(1.01)
LEAST_MS = 0.001  # whatever is faster counts as this
FEWEST_ABOVE = 20  # answers above a quantile, before it is believed
_ROUNDING = 1e-9  # of a share times a number of answers


def bucket_of(milliseconds: float | None) -> int | None:
    """Its place; ``None`` for what was not measured."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return None
    return math.floor(math.log(max(milliseconds, LEAST_MS)) / LOG_WIDTH)


def end_of(place: int) -> float:
    """The end of a bucket, to four digits and never below it."""
    end = math.exp((place + 1) * LOG_WIDTH)
    unit = 10.0 ** (math.floor(math.log10(end)) - 3)
    return round(math.ceil(end / unit) * unit, 9)


def quantile_of(counts: LogCounts, share: float) -> float | None:
    """The end of the bucket that holds it; ``None`` where it lies among what nobody measured."""
    total = sum(counts.counts.values()) + counts.unknown
    reached, needed = 0, share * total - _ROUNDING
    for place in sorted(counts.counts):
        reached += counts.counts[place]
        if reached >= needed:
            return end_of(place)
    return None


def thresholds_of(
    source: Telemetry, model: str, policy: ReleasePolicy, now: datetime
) -> dict[str, Threshold]:
    """By guardrail, for those that count by a quantile of the days before."""
    found = {}
    for rail in policy.guardrails:
        if rail.kind == "quantile":
            since = now - timedelta(days=rail.before_days or 0)
            counts = source.latency_counts(model, since=since, until=now)
            found[rail.name] = threshold_of(rail, counts, since, now)
    return found


def threshold_of(rail: Guardrail, counts: LogCounts, since: datetime, until: datetime) -> Threshold:
    """What a guardrail will count above. ``RefusedError`` where the days before do not tell."""
    share = rail.quantile
    if share is None:
        raise RefusedError(f"{rail.name} has no quantile.", advice="Write one in the policy.")
    n = sum(counts.counts.values()) + counts.unknown
    least = math.ceil(FEWEST_ABOVE / (1.0 - share) - 1e-6)
    period = f"the {rail.before_days} days before the release"
    if n < least:
        raise RefusedError(
            f"{rail.name}: {n:,} answers in {period}; their {share:.4g} quantile needs {least:,}.",
            advice="Serve the champion for longer, raise before_days, or watch a lower quantile.",
        )
    above = quantile_of(counts, share)
    if above is None:
        raise RefusedError(
            f"{rail.name}: {counts.unknown:,} of {n:,} answers in {period} do not say how long "
            "they took.",
            advice="Log latency_ms with every answer: `seatrial doctor --telemetry`.",
        )
    return Threshold(above=above, quantile=share, n=n, since=since, until=until)


def slow_beyond(rail: Guardrail, frozen: Mapping[str, Threshold]) -> Guardrail:
    """The same guardrail as one of slow answers; no threshold of the opening is no default."""
    if rail.name not in frozen:
        raise RefusedError(
            f"{rail.name}: no threshold was recorded when the release opened.",
            advice="Roll it back and begin again: a threshold is frozen before the first answer.",
        )
    return rail.model_copy(update={"metric": "slow", "slow_ms": frozen[rail.name].above})
