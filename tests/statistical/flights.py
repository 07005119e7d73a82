"""Real days: the champion against copies of itself, released from every day of the season.

::

    python -m tests.statistical.flights [--runs 500] [--copies 5] [--seed 20130501]

A copy is the champion's recipe trained on rows drawn anew: as good, and not the same. Both score
every flight from May to December. A release begins on any of those days and goes through the
demo's own policy as it stands, judged by the functions that judge a release
(``deployments.demo.power``): half of them on the days in the order in which they came (after the
last day the first follows), half on days drawn in blocks of three. What is rolled back is rolled
back wrongly.

How much rows of one day resemble each other is printed too: the variance of the days' mean
differences, as a multiple of what rows that were independent would give.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.demo import power
from policies.loader import find
from policies.schema import ReleasePolicy
from tests.statistical.setting import SETTING
from tests.statistical.simulated import slack

MOST = 0.05  # false rollbacks


@dataclass(frozen=True)
class Measured:
    runs: int
    copies: int
    rolled_back: float
    released: float
    likeness: float  # variance of day means, over what independent rows would give

    @property
    def kept(self) -> bool:
        return self.rolled_back <= MOST


def copies(folder: Path, policy: ReleasePolicy, count: int) -> list[list[power.Day]]:
    """Daily differences of each copy: trained here, a few seconds each."""
    from deployments.demo.flights import between, labelled, prepare
    from deployments.demo.recipes import FIRST_DAY, LAST_DAY
    from deployments.demo.training import train

    quality = next(g for g in policy.guardrails if g.kind == "paired_mean")
    column = quality.segments.column if quality.segments else None
    flights = prepare(folder)
    training = between(flights, FIRST_DAY, LAST_DAY)
    replay = labelled(between(flights, power.FIRST, power.LAST))
    champion = power._scores(train("champion", flights).model, replay)

    def copy(seed: int) -> list[power.Day]:
        again = training.sample(frac=1.0, replace=True, random_state=seed)
        scores = power._scores(train("champion", again).model, replay)
        return power._daily(replay, scores, champion, quality.metric, column)

    return [copy(seed) for seed in range(count)]


def worlds(
    sources: Sequence[Sequence[power.Day]], runs: int, seed: int
) -> Iterator[list[power.Day]]:
    """Of each copy in turn: days as they came from some day on, then days in drawn blocks."""
    draw = random.Random(seed)
    for run in range(runs):
        days = sources[run // 2 % len(sources)]
        start = draw.randrange(len(days))
        as_they_came = [*days[start:], *days[:start]]
        yield as_they_came if run % 2 == 0 else power.resampled(days, draw)


def likeness(sources: Sequence[Sequence[power.Day]]) -> float:
    found = []
    for days in sources:
        of_all = [day[""] for day in days if day[""].n > 1]
        by_rows = statistics.fmean(m.m2 / (m.n - 1) / m.n for m in of_all)
        found.append(statistics.variance(m.mean for m in of_all) / by_rows)
    return statistics.fmean(found)


def measure(folder: Path, runs: int, count: int, seed: int) -> Measured:
    policy = find(power.POLICY).policy
    sources = copies(folder, policy, count)
    ended = [power.sail(policy, world).outcome for world in worlds(sources, runs, seed)]
    return Measured(
        runs=runs,
        copies=count,
        rolled_back=ended.count("rolled back") / runs,
        released=ended.count("released") / runs,
        likeness=likeness(sources),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--copies", type=int, default=power.COPIES)
    parser.add_argument("--seed", type=int, default=SETTING.seed)
    parser.add_argument("--data", type=Path, default=Path(".seatrial") / "demo")
    asked = parser.parse_args()
    found = measure(asked.data, asked.runs, asked.copies, asked.seed)
    name = (
        f"flights: {found.copies} copies of the champion, {found.runs} releases from any day, "
        f"day means varying {found.likeness:.0f} times as much as their rows explain: rolled back"
    )
    told = "" if found.kept else "BROKEN"
    row = f"| {name} | ≤ {MOST:g} | {found.rolled_back:.3f} | {slack(MOST, asked.runs):.3f}"
    print(f"{row} | {told} |")
    print(f"released within the policy's deadlines: {found.released:.1%}", file=sys.stderr)
    return 0 if found.kept else 1


if __name__ == "__main__":
    sys.exit(main())
