"""The same rules on real days of flights, whose rows are not independent.

Models of the demo are scored on every flight from May to December; worlds are put together from
blocks of three real days, as in ``deployments.demo.power``. The other rules compare two arms of
equal size, the candidate's share of each day that of the policy's own canary and ramp, and half
of it from then on; after sixty days they promote. Seatrial releases through the demo's own
policy: every flight is scored by both models, first in a shadow that no passenger meets. What it
has neither released nor rolled back by a deadline is held, and the candidate withdrawn.

An equal copy (the champion trained on resampled rows) and the better model should not be rolled
back; the other two should not be promoted. ``fixed`` and ``relative`` thresholds are the
champion's loss, over all the months or on the same day, with the policy's margin on top. Only
Seatrial's policy looks at each airport too, as it may: the others were given one metric.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deployments.demo import power
from policies.loader import find
from policies.schema import ReleasePolicy, StageRules
from tasks.telemetry.metrics import loss
from tests.benchmarks.rules import argo, flagger, growthbook, kayenta, naive

Numbers = NDArray[np.float64]
DAYS = 60  # of comparison, then the rules that would promote do
LARGEST_SHARE = 0.5  # beyond it no champion's arm of the same size is left
KAYENTA_EVERY = 10
COPIES = 3


@dataclass(frozen=True)
class Days:
    """One pair of models day by day; ``arms`` for each share of the flights that they may get."""

    arms: Mapping[float, Numbers]  # by day: flights an arm, means of both, mean squares of both
    usual: float  # the champion's loss over all days
    paired: Sequence[power.Day]


@dataclass(frozen=True)
class Ending:
    """Of one rule on one kind of candidate, over the runs."""

    rolled_back: float
    promoted: float
    met: float  # median of the flights that the candidate answered for


def kinds(
    folder: Path, metric: str, column: str | None, shares: Sequence[float], seed: int
) -> Mapping[str, list[Days]]:
    """Trains the demo's models and scores the flights with them: half a minute."""
    from deployments.demo.flights import between, labelled, prepare
    from deployments.demo.recipes import FIRST_DAY, LAST_DAY
    from deployments.demo.training import train

    flights = prepare(folder)
    training = between(flights, FIRST_DAY, LAST_DAY)
    replay = labelled(between(flights, power.FIRST, power.LAST))
    place = np.random.default_rng(seed).random(len(replay))
    champion = power._scores(train("champion", flights).model, replay)
    better = power._scores(train("better", flights).model, replay)

    def days(scores: list[float], against: list[float]) -> Days:
        paired = power._daily(replay, scores, against, metric, column)
        losses = _losses(replay, scores, against, metric)
        arms = {share: _arms(losses, place, share) for share in set(shares)}
        return Days(arms, float(losses["champion"].mean()), paired)

    def copy(number: int) -> list[float]:
        again = training.sample(frac=1.0, replace=True, random_state=number)
        return power._scores(train("champion", again).model, replay)

    def of(recipe: str) -> list[float]:
        return power._scores(train(recipe, flights).model, replay)

    return {
        "copy": [days(copy(number), champion) for number in range(COPIES)],
        "better": [days(better, champion)],
        "slightly_worse": [days(of("slightly_worse"), better)],
        "segment_lga": [days(of("segment_lga"), champion)],
    }


def _losses(
    replay: pd.DataFrame, candidate: Sequence[float], champion: Sequence[float], metric: str
) -> pd.DataFrame:
    def of(scores: Sequence[float]) -> list[float]:
        return [loss(metric, p, label) for p, label in zip(scores, replay["label"], strict=True)]

    days = replay["day"].to_numpy()
    return pd.DataFrame({"day": days, "champion": of(champion), "candidate": of(candidate)})


def _arms(losses: pd.DataFrame, place: Numbers, share: float) -> Numbers:
    """The candidate gets the first of the flights, the champion's arm as many of the last."""
    a = losses[place >= 1 - share].groupby("day")["champion"].agg(["size", "mean", _mean_square])
    b = losses[place < share].groupby("day")["candidate"].agg(["size", "mean", _mean_square])
    n = (a["size"] + b["size"]) / 2
    columns = [n, a["mean"], b["mean"], a["_mean_square"], b["_mean_square"]]
    return np.stack([column.to_numpy(dtype=float) for column in columns], axis=1)


def _mean_square(values: pd.Series[float]) -> float:
    return float((values**2).mean())


def measure(folder: Path, runs: int, seed: int) -> Mapping[str, Mapping[str, Ending]]:
    """By rule, then by kind of candidate."""
    policy = find(power.POLICY).policy
    quality = next(g for g in policy.guardrails if g.kind == "paired_mean")
    column = quality.segments.column if quality.segments else None
    shares = _shares(policy)
    table: dict[str, dict[str, Ending]] = {}
    for kind, sources in kinds(folder, quality.metric, column, shares, seed).items():
        rng = random.Random(f"{seed} {kind}")
        days = range(len(sources[0].paired))
        worlds = [power.resampled(days, rng) for _ in range(runs)]
        drawn = [(sources[n % len(sources)], world) for n, world in enumerate(worlds)]
        found = [
            *_others(policy, shares, quality.margin, drawn),
            ("Seatrial", _ours(policy, drawn)),
        ]
        for rule, ending in found:
            table.setdefault(rule, {})[kind] = ending
    return table


def _shares(policy: ReleasePolicy) -> list[float]:
    """The candidate's share on each day of a release that is never held up."""
    shares: list[float] = []
    for step in policy.steps():
        rules = policy.rules_for(step)
        if step.weight_bp and isinstance(rules, StageRules):
            share = min(step.weight_bp / 10_000, LARGEST_SHARE)
            shares += [share] * int(rules.min_days)
    return (shares + [LARGEST_SHARE] * DAYS)[:DAYS]


Drawn = Sequence[tuple[Days, Sequence[int]]]


def _others(
    policy: ReleasePolicy, shares: Sequence[float], margin: float, drawn: Drawn
) -> Iterator[tuple[str, Ending]]:
    first = int(policy.staging.min_days)
    seen = np.asarray(
        [
            [days.arms[share][day] for share, day in zip(shares, world[first:], strict=False)]
            for days, world in drawn
        ]
    )
    n, champion, candidate = seen[..., 0], seen[..., 1], seen[..., 2]
    usual = np.asarray([[days.usual] for days, _ in drawn])
    for name, limit in (("fixed", usual + margin), ("relative", champion + margin)):
        yield f"Argo Rollouts, {name}", _ending(argo.aborts(candidate, limit), n)
        full = flagger.rolls_back(candidate <= limit)
        yield f"Flagger, {name}", _ending(_a_day_later(full), n)
    yield "Kayenta", _ending(_kayenta(champion, candidate), n)
    difference, error, total = _rows(seen)
    yield "GrowthBook", _ending(growthbook.is_worse(difference, error, 2 * total), n)
    yield "z test at every look", _ending(difference > naive.Z * error, n)


def _ours(policy: ReleasePolicy, drawn: Drawn) -> Ending:
    sailed = [power.sail(policy, [days.paired[day] for day in world]) for days, world in drawn]
    return Ending(
        rolled_back=float(np.mean([v.outcome == "rolled back" for v in sailed])),
        promoted=float(np.mean([v.outcome == "released" for v in sailed])),
        met=float(np.median([v.met for v in sailed])),
    )


def _ending(stops: NDArray[np.bool_], n: Numbers) -> Ending:
    stopped = stops.any(axis=1)
    last = np.where(stopped, stops.argmax(axis=1), stops.shape[1] - 1)
    met = np.take_along_axis(np.cumsum(n, axis=1), last[:, None], axis=1)
    return Ending(float(stopped.mean()), float(1 - stopped.mean()), float(np.median(met)))


def _a_day_later(full: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The last day has no other after it: what is full by then is not promoted either."""
    return np.concatenate([np.zeros_like(full[:, :1]), full[:, :-2], full[:, -1:]], axis=1)


def _kayenta(champion: Numbers, candidate: Numbers) -> NDArray[np.bool_]:
    """One metric: when it is High the score is zero."""
    stops = np.zeros(champion.shape, dtype=bool)
    for end in range(KAYENTA_EVERY, champion.shape[1] + 1, KAYENTA_EVERY):
        stops[:, end - 1] = kayenta.is_high(champion[:, :end], candidate[:, :end])
    return stops


def _rows(seen: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Difference of means, its error as if flights were independent, and flights an arm."""
    n = seen[..., 0]
    total = np.cumsum(n, axis=1)
    a, b, aa, bb = np.moveaxis(np.cumsum(n[..., None] * seen[..., 1:], axis=1), -1, 0) / total
    return b - a, np.sqrt((aa - a**2 + bb - b**2) / total), total


def told(table: Mapping[str, Mapping[str, Ending]]) -> Iterator[str]:
    """The table in Markdown."""
    names = list(next(iter(table.values())))
    yield "| rule | " + " | ".join(f"{n}: rolled back, promoted, flights" for n in names) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for rule, found in table.items():
        yield "| " + " | ".join([rule, *(_cell(found[name]) for name in names)]) + " |"


def _cell(ending: Ending) -> str:
    return f"{ending.rolled_back:.2f}, {ending.promoted:.2f}, {ending.met:,.0f}"
