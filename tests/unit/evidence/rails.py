"""A guardrail of every unit and kind, and windows for it: good ones, worse ones, any number."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from policies.loader import find
from policies.schema import Budget, Gap, Guardrail
from policies.verdict import judge
from policies.vocabulary import Counts, Moments, PairMoments, Verdict, WindowPair
from tasks.evidence.sequential import weigh_all

POLICY = find("medium").policy
STEP = POLICY.steps()[2]
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)

Windows = Mapping[str, Sequence[WindowPair]]


def _rail(kind: str, metric: str, **more: object) -> Guardrail:
    common = {"name": "rail", "kind": kind, "metric": metric, "weight": 1.0, "why": "test"}
    return Guardrail.model_validate(common | more)


def _gap(**bounds: float) -> Guardrail:
    """The part of a guardrail that watches one group."""
    gap = Gap.model_validate(
        {"column": "sex", "values": ("f",), "min_rows": 100, "share": 0.5, **bounds}
    )
    whole = _rail(
        "paired_mean", "log_loss", margin=0.02, rollback_at=0.008, information=15_000, gap=gap
    )
    (part,) = whole.by_gap().values()
    return part


def whole_of(part: Guardrail) -> Guardrail:
    """The guardrail that declares this gap; it is as its part says, also where that cannot be."""
    assert part.gap is not None
    bounds = {name: getattr(part, name) for name in ("margin", "rollback_at", "information")}
    declared = {
        "name": "rail", "gap": part.gap.model_copy(update=bounds), "weight": 1.0,
        "margin": 0.02, "rollback_at": 0.008, "information": 15_000,
    }  # fmt: skip
    return part.model_copy(update=declared)


_POSTED = {"name_of_metric": "basket", "direction": "up", "cap": 100.0, "without_value": "zero"}
_COST = {"name_of_metric": "cost", "direction": "down", "cap": 1e4, "without_value": "zero"}

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
        "quantile", "latency", margin=0.3, rollback_at=0.1, information=3000, unit="request",
        relative=True, quantile=0.99, before_days=7,
    ),
    "gap, day": _gap(margin=0.08, rollback_at=0.03, information=5000),
    "ratio, user": _rail(
        "ratio", "business", margin=1.0, rollback_at=0.2, information=60, unit="user",
        per="requests", **_COST,
    ),
    "ratio, user, relative": _rail(
        "ratio", "business", margin=0.1, rollback_at=0.02, information=6000, unit="user",
        per="requests", relative=True, **_COST,
    ),
}  # fmt: skip
ARMS = {  # where the candidate's summary stands
    "paired_mean": "paired",
    "proportion": "candidate",
    "quantile": "candidate",
    "mean": "candidate_units",
    "randomised_mean": "candidate_units",
    "ratio": "candidate_pairs",
}
ASKS = 5.0  # requests of a user, on average
RATIOS = [name for name in RAILS if name.startswith("ratio")]
MEANS = [name for name in RAILS if not name.startswith(("rate", "ratio"))]


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
        paired = {"paired": Moments(n=rows, mean=mean, m2=0.01 * rows)}
        if rail.gap is not None:
            paired["others"] = Moments(n=4 * rows, mean=draw.gauss(0.0, 0.01), m2=0.04 * rows)
        return found.model_copy(update=paired)
    if rail.kind in ("proportion", "quantile"):
        margin = 0.01 * rail.margin if rail.relative else rail.margin
        events = [round(rows * rate) + draw.randrange(4) for rate in (0.01, 0.01 + worse * margin)]
        arms = [Counts(n=rows, events=each) for each in events]
        return found.model_copy(update={"champion": arms[0], "candidate": arms[1]})
    margin = 10.0 * rail.margin if rail.relative else rail.margin
    if rail.kind == "ratio":
        margin = 10.0 * rail.margin if rail.relative else rail.margin
        costs = [draw.gauss(10.0, 0.02), draw.gauss(10.0, 0.02) + worse * margin]
        pairs = [pairs_at(cost, rows) for cost in costs]
        return found.model_copy(update={"champion_pairs": pairs[0], "candidate_pairs": pairs[1]})
    values = [10.0, 10.0 + (-worse if rail.direction == "up" else worse) * margin]
    units = [Moments(n=rows, mean=draw.gauss(mean, 0.02), m2=4.0 * rows) for mean in values]
    return found.model_copy(update={"champion_units": units[0], "candidate_units": units[1]})


def pairs_at(cost: float, users: int) -> PairMoments:
    """Users who ask some times, alike in both arms, at this price a request and a chance of 4."""
    return PairMoments(
        n=users, mean_x=ASKS, mean_y=cost * ASKS, m2_x=4.0 * users,
        m2_y=(4.0 * cost * cost + 16.0) * users, c_xy=4.0 * cost * users,
    )  # fmt: skip


def look(rail: Guardrail, found: Sequence[WindowPair]) -> tuple[Guardrail, Windows]:
    """What is asked at a look at this guardrail. A gap is asked beside its whole, which is well."""
    if rail.gap is None:
        return rail, {rail.name: found}
    return whole_of(rail), {"rail": CALM, rail.name: found}


def verdict(rail: Guardrail, found: Sequence[WindowPair], *, later_steps: int = 0) -> Verdict:
    """What one look at this guardrail alone leads to."""
    asked, windows_of = look(rail, found)
    seen = weigh_all([asked], windows_of, BUDGET, later_steps=later_steps)
    return judge(POLICY, STEP, seen)


CALM = windows(RAILS["paired, day"])
