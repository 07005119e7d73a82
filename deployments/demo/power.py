"""How the flight-delay policy would treat a good, an equal and a worse candidate.

    python -m deployments.demo.power

Real days of flights, drawn in blocks of three (weather lasts) from 1 May on, are put together
to many possible summers. Each is released through the policy's own steps, with the looks,
bake times, margins and deadlines of its document, weighed and judged by the very functions the
release flow calls. Serving is taken to be faultless and sign-offs immediate: what is measured is
what the labels allow.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from policies.loader import find
from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.verdict import judge
from policies.vocabulary import Counts, Decision, Evidence, Moments, Step, WindowPair
from tasks.evidence.sequential import weigh, weigh_all
from tasks.evidence.summary import moments_of
from tasks.telemetry.metrics import loss

if TYPE_CHECKING:
    import pandas as pd

POLICY = "flight-delay"
FIRST, LAST = date(2013, 5, 1), date(2013, 12, 31)
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)
BLOCK_DAYS = 3
WORLD_DAYS = 200  # longer than all deadlines together
FLIGHTS_A_DAY = 907
SEED = 2013
COPIES = 5


@dataclass(frozen=True)
class Voyage:
    """How one release ended, and on which day."""

    outcome: str  # released, rolled back or held
    day: int
    step: str
    met: int = 0  # flights the candidate answered for until then


Day = Mapping[str, Moments]  # of all rows under "", and of each group under its value


def sail(policy: ReleasePolicy, days: Sequence[Day]) -> Voyage:
    """One release over these days, from the end of staging to its end."""
    begun = now = int(policy.staging.min_days)
    weights: list[int] = []  # the candidate's share on each day since the canary began
    steps: list[str] = []  # at which step each day since the shadow began was
    for step in policy.steps()[1:]:
        rules = policy.rules_for(step)
        assert isinstance(rules, StageRules)  # noqa: S101 - only staging differs
        entered = now
        while True:
            later = _next_look(rules, entered, now)
            if step.weight_bp:
                weights += [step.weight_bp] * (later - now)
            steps += [step.name] * (later - now)
            now = later
            seen = days[begun : now - _days_behind(policy)]
            decision = _look(policy, step, seen, steps, tuple(weights))
            if decision is Decision.ROLL_BACK:
                return Voyage("rolled back", now, step.name, _met(weights))
            if decision is Decision.PASS and now >= entered + rules.min_days:
                break
            if now >= entered + rules.deadline_days:
                return Voyage("held", now, step.name, _met(weights))
    return Voyage("released", now, "soak", _met(weights))


def _met(weights: Sequence[int]) -> int:
    return sum(weights) * FLIGHTS_A_DAY // 10_000


def _next_look(rules: StageRules, entered: int, now: int) -> int:
    """Looks fall on midnights here: one a day at most."""
    due = now + max(1, round(rules.look_every_hours / 24))
    baked = entered + int(rules.min_days)
    return min(due, baked) if now < baked else due


def _days_behind(policy: ReleasePolicy) -> int:
    """At midnight the day just ended still waits for its labels."""
    return -int(-policy.labels.horizon_hours // 24)


def _look(
    policy: ReleasePolicy,
    step: Step,
    days: Sequence[Day],
    begun: Sequence[str],
    weights: tuple[int, ...],
) -> Decision:
    rules = policy.rules_for(step)
    factor = rules.margin_factor if isinstance(rules, StageRules) else 1.0
    evidence = []
    for guardrail in policy.guardrails:
        if guardrail.kind == "paired_mean":
            windows = {guardrail.name: _windows(days, "", begun)}
            windows |= {
                part.name: _windows(days, value, begun)
                for value, part in guardrail.by_segment().items()
            }
            evidence += weigh_all(
                [guardrail],
                windows,
                policy.budget,
                margin_factor=factor,
                later_steps=policy.steps_after_shadow,
            )
        elif step.weight_bp:
            evidence.append(_faultless(policy, guardrail, weights, factor))
    return judge(policy, step, evidence).decision


def _windows(days: Sequence[Day], group: str, begun: Sequence[str]) -> list[WindowPair]:
    return [_window(n, day[group], begun[n]) for n, day in enumerate(days) if group in day]


def _window(day: int, moments: Moments, step: str) -> WindowPair:
    return WindowPair(start=MIDNIGHT + timedelta(days=day), step=step, paired=moments)


_weighed: dict[tuple[str, tuple[int, ...], float], Evidence] = {}


def _faultless(
    policy: ReleasePolicy, guardrail: Guardrail, weights: tuple[int, ...], factor: float
) -> Evidence:
    """Evidence of days without a failure: the same for the same shares, so weighed once."""
    key = (guardrail.name, weights, factor)
    if key not in _weighed:
        windows = [
            WindowPair(
                start=MIDNIGHT + timedelta(days=day),
                step=str(weight_bp),
                champion=Counts(n=FLIGHTS_A_DAY, events=0),
                candidate=Counts(n=FLIGHTS_A_DAY * weight_bp // 10_000, events=0),
            )
            for day, weight_bp in enumerate(weights)
        ]
        _weighed[key] = weigh(guardrail, windows, policy.budget, margin_factor=factor)
    return _weighed[key]


def resampled(days: Sequence[Day], rng: random.Random) -> list[Day]:
    """Days enough for one world, in whole blocks."""
    starts = range(0, len(days) - BLOCK_DAYS + 1, BLOCK_DAYS)
    blocks = -(-WORLD_DAYS // BLOCK_DAYS)
    return [
        day for start in rng.choices(starts, k=blocks) for day in days[start : start + BLOCK_DAYS]
    ]


def trials(folder: Path, metric: str, column: str | None) -> Mapping[str, Sequence[Sequence[Day]]]:
    """Daily loss differences of each kind of candidate; several copies, one of the others."""
    from deployments.demo.flights import between, labelled, prepare
    from deployments.demo.recipes import FIRST_DAY, LAST_DAY
    from deployments.demo.training import train

    flights = prepare(folder)
    training = between(flights, FIRST_DAY, LAST_DAY)
    replay = labelled(between(flights, FIRST, LAST))

    @cache
    def champion() -> list[float]:
        return _scores(train("champion", flights).model, replay)

    @cache
    def better() -> list[float]:
        return _scores(train("better", flights).model, replay)

    def copy(seed: int) -> list[float]:
        again = training.sample(frac=1.0, replace=True, random_state=seed)
        return _scores(train("champion", again).model, replay)

    worse = _scores(train("slightly_worse", flights).model, replay)
    segment = _scores(train("segment_lga", flights).model, replay)
    return {
        "better": [_daily(replay, better(), champion(), metric, column)],
        "copy": [_daily(replay, copy(seed), champion(), metric, column) for seed in range(COPIES)],
        "slightly_worse": [_daily(replay, worse, better(), metric, column)],
        "segment_lga": [_daily(replay, segment, champion(), metric, column)],
    }


def _scores(model: object, flights: pd.DataFrame) -> list[float]:
    from deployments.demo.flights import INPUTS

    model.load_context(None)  # type: ignore[attr-defined]
    return [float(p) for p in model.predict(None, flights[INPUTS])]  # type: ignore[attr-defined]


def _daily(
    flights: pd.DataFrame,
    candidate: Sequence[float],
    champion: Sequence[float],
    metric: str,
    column: str | None,
) -> list[Day]:
    days: dict[str, dict[str, list[float]]] = {}
    groups = flights[column] if column else [""] * len(flights)
    rows = zip(flights["day"], groups, flights["label"], candidate, champion, strict=True)
    for day, group, label, new, old in rows:
        worse = loss(metric, new, label) - loss(metric, old, label)
        for name in {"", group}:
            days.setdefault(day, {}).setdefault(name, []).append(worse)
    return [{group: moments_of(rows) for group, rows in days[day].items()} for day in sorted(days)]


def report(policy: ReleasePolicy, folder: Path, runs: int, seed: int) -> Iterator[str]:
    quality = next(g for g in policy.guardrails if g.kind == "paired_mean")
    yield f"{runs} resampled summers each, seed {seed}, policy {policy.policy}"
    column = quality.segments.column if quality.segments else None
    for name, sources in trials(folder, quality.metric, column).items():
        rng = random.Random(f"{seed} {name}")  # noqa: S311 - a simulation
        ended = [sail(policy, resampled(sources[n % len(sources)], rng)) for n in range(runs)]
        means = [day[""].mean for days in sources for day in days]
        yield (
            f"{name}: mean day {statistics.fmean(means):+.4f}, "
            f"between days {statistics.stdev(means):.4f}; as it was: "
            + ", ".join(_told(sail(policy, days)) for days in sources)
        )
        yield "  " + _shares(ended)


def _told(voyage: Voyage) -> str:
    return f"{voyage.outcome} on day {voyage.day} ({voyage.step})"


def _shares(ended: Sequence[Voyage]) -> str:
    released = [v.day for v in ended if v.outcome == "released"]
    parts = {
        "released within 60 days": sum(day <= 60 for day in released),
        "within 90": sum(day <= 90 for day in released),
        "ever": len(released),
        "rolled back": sum(v.outcome == "rolled back" for v in ended),
        "held": sum(v.outcome == "held" for v in ended),
    }
    shares = ", ".join(f"{name} {count / len(ended):.1%}" for name, count in parts.items())
    return f"{shares}; median day {statistics.median(released):g}" if released else shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--policy", default=POLICY)
    parser.add_argument("--data", type=Path, default=Path(".seatrial") / "demo")
    asked = parser.parse_args()
    for line in report(find(asked.policy).policy, asked.data, asked.runs, asked.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
