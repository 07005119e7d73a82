"""A guardrail of every unit and kind, and windows for it: good ones, worse ones, any number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from policies.loader import find
from policies.schema import Budget, Guardrail
from policies.verdict import judge
from policies.vocabulary import Counts, Moments, Verdict, WindowPair
from tasks.evidence.sequential import weigh_all

POLICY = find("medium").policy
STEP = POLICY.steps()[2]
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)


def _rail(kind: str, metric: str, **more: object) -> Guardrail:
    common = {"name": "rail", "kind": kind, "metric": metric, "weight": 1.0, "why": "test"}
    return Guardrail.model_validate(common | more)


_POSTED = {"name_of_metric": "basket", "direction": "up", "cap": 100.0, "without_value": "zero"}

RAILS = {
    "paired, day": _rail(
        "paired_mean", "log_loss", margin=0.02, rollback_at=0.008, information=15_000
    ),
    "rate, day": _rail("proportion", "error", margin=0.01, rollback_at=0.004, information=5e5),
    "rate, request": _rail(
        "proportion", "error", margin=0.006, rollback_at=0.002, information=5e6, unit="request"
    ),
    "rate, request, relative": _rail(
        "proportion", "error", margin=0.3, rollback_at=0.1, information=3000, unit="request",
        relative=True,
    ),
    "mean, day": _rail(
        "mean", "business", margin=0.5, rollback_at=0.2, information=100, **_POSTED
    ),
    "mean, user": _rail(
        "mean", "business", margin=1.0, rollback_at=0.2, information=40, unit="user", **_POSTED
    ),
    "mean, user, relative": _rail(
        "mean", "business", margin=0.1, rollback_at=0.02, information=4000, unit="user",
        relative=True, **_POSTED,
    ),
    "mean, randomised": _rail(
        "randomised_mean", "log_loss", margin=1.0, rollback_at=0.2, information=40, unit="user"
    ),
    "rate, quantile": _rail(
        "quantile", "latency", margin=0.006, rollback_at=0.002, information=5e6, unit="request",
        quantile=0.99, before_days=7,
    ),
}  # fmt: skip
ARMS = {  # where the candidate's summary stands
    "paired_mean": "paired",
    "proportion": "candidate",
    "quantile": "candidate",
    "mean": "candidate_units",
    "randomised_mean": "candidate_units",
}
MEANS = [name for name in RAILS if not name.startswith("rate")]


def windows(
    rail: Guardrail, count: int = 8, *, worse: float = 0.0, seed: int = 1, rows: int = 40_000
) -> list[WindowPair]:
    """In order of time. ``worse``: in margins; at 0 enough of them pass, at 3 they roll back."""
    draw = random.Random(seed)
    every = timedelta(hours=1) if rail.unit == "request" else timedelta(days=1)
    return [
        window(rail, MIDNIGHT + number * every, worse, draw, rows, STEP.name)
        for number in range(count)
    ]


def window(
    rail: Guardrail, start: datetime, worse: float, draw: random.Random, rows: int, step: str
) -> WindowPair:
    found = WindowPair(start=start, step=step)
    if rail.kind == "paired_mean":
        mean = draw.gauss(worse * rail.margin, 0.2 * rail.margin)
        return found.model_copy(update={"paired": Moments(n=rows, mean=mean, m2=0.01 * rows)})
    if rail.kind in ("proportion", "quantile"):
        margin = 0.01 * rail.margin if rail.relative else rail.margin
        events = [round(rows * rate) + draw.randrange(4) for rate in (0.01, 0.01 + worse * margin)]
        arms = [Counts(n=rows, events=each) for each in events]
        return found.model_copy(update={"champion": arms[0], "candidate": arms[1]})
    margin = 10.0 * rail.margin if rail.relative else rail.margin
    values = [10.0, 10.0 + (-worse if rail.direction == "up" else worse) * margin]
    units = [Moments(n=rows, mean=draw.gauss(mean, 0.02), m2=4.0 * rows) for mean in values]
    return found.model_copy(update={"champion_units": units[0], "candidate_units": units[1]})


def verdict(rail: Guardrail, found: Sequence[WindowPair], *, later_steps: int = 0) -> Verdict:
    """What one look at this guardrail alone leads to."""
    seen = weigh_all([rail], {rail.name: found}, BUDGET, later_steps=later_steps)
    return judge(POLICY, STEP, seen)
