"""Releases among real people, simulated: how often the gap of a group stops which candidate.

::

    python -m tests.statistical.people [--runs 1000] [--seed 1974]

Real people in days that are drawn: some days bring the ill, others the well, so rows of one day
resemble each other. Looks as the demo's own policy asks for them in its shadow, judged by
``judge``. A share carries a Monte Carlo error of three standard errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from deployments.demo.visits import GROUP, asking, of_one_day
from policies.loader import find
from policies.schema import ReleasePolicy
from policies.verdict import judge
from policies.vocabulary import Decision, Moments, Step, WindowPair
from tasks.evidence.gap import against_others
from tasks.evidence.step import weigh_step
from tests.people import visits
from tests.statistical.simulated import slack

SEED = 1974
MIDNIGHT = datetime(1974, 5, 1, tzinfo=UTC)
YES, UNKNOWN = (f"quality · gap of physical_limitation {value}" for value in ("yes", "unknown"))
Differences = Callable[[], Any]  # a row each of those who ask: the candidate's loss more


class Ended(NamedTuple):
    """Shares of the releases."""

    rolled_back: float
    passed: float


@cache
def policy() -> ReleasePolicy:
    """The demo's policy without its rates: in a shadow nobody waits for an answer."""
    whole = find("doctor-visits").policy
    rails = tuple(rail for rail in whole.guardrails if rail.kind == "paired_mean")
    return whole.model_copy(update={"guardrails": rails})


def between(champion: str, candidate: str) -> Any:
    return visits.losses(candidate) - visits.losses(champion)


def moved_apart(by: float, candidate: str = "fair") -> Any:
    """A candidate whose true gap is ``by``, whatever it was: the group's losses are shifted."""
    found, group = between("champion", candidate), asking()[GROUP].to_numpy() == "yes"
    now = found[group].mean() - found[~group].mean()
    return found + (by - now) * group


@cache
def releases(candidate: Differences, runs: int, seed: int = SEED) -> Ended:
    """``runs`` releases of a candidate, each looked at until it is stopped or passes."""
    rng, differences = np.random.default_rng(seed), candidate()
    ends = [_release(differences, rng) for _ in range(runs)]
    stopped = sum(end is Decision.ROLL_BACK for end in ends)
    return Ended(stopped / runs, sum(end is Decision.PASS for end in ends) / runs)


def _release(differences: Any, rng: np.random.Generator) -> Decision:
    late = round(policy().labels.horizon_hours / 24)
    days = windows(differences, looks()[-1] - late, rng)
    for look in looks():
        seen = {name: part[: max(0, look - late)] for name, part in days.items()}
        decision = judge(policy(), shadow(), weigh_step(policy(), shadow(), seen)).decision
        if decision is Decision.ROLL_BACK:
            return decision
        if decision is Decision.PASS and look >= policy().shadow.min_days:
            return decision
    return Decision.HOLD


def looks() -> list[int]:
    """Days since the shadow began: harm is looked for before it may pass, to its deadline."""
    rules = policy().shadow
    baked, every = int(rules.min_days), round(rules.look_every_hours / 24)
    return [*range(every, baked, every), *range(baked, int(rules.deadline_days) + 1, every)]


def shadow() -> Step:
    return policy().steps()[1]


def windows(differences: Any, days: int, rng: np.random.Generator) -> dict[str, list[WindowPair]]:
    """As telemetry tells them: the whole, and each group against all others."""
    groups = asking()[GROUP].to_numpy()
    whole, yes, unknown = [], [], []
    for day in range(days):
        came = of_one_day(rng)
        start = MIDNIGHT + timedelta(days=day)
        for found, rows in ((whole, came), (yes, came[groups[came] == "yes"]),
                            (unknown, came[groups[came] == "unknown"])):  # fmt: skip
            found.append(WindowPair(start=start, step="shadow", paired=_moments(differences[rows])))
    return {
        "quality": whole,
        YES: list(against_others(whole, yes)),
        UNKNOWN: list(against_others(whole, unknown)),
    }


def _moments(values: Any) -> Moments:
    if not len(values):
        return Moments(n=0)
    return Moments(n=len(values), mean=float(values.mean()), m2=float(values.var() * len(values)))


@dataclass(frozen=True)
class Promise:
    name: str
    required: float
    at_least: bool
    candidate: Differences
    share: Callable[[Ended], float]

    def kept(self, measured: float, runs: int) -> bool:
        room = slack(self.required, runs)
        return measured >= self.required - room if self.at_least else (
            measured <= self.required + room
        )  # fmt: skip


def _back(ended: Ended) -> float:
    return ended.rolled_back


def _passed(ended: Ended) -> float:
    return ended.passed


def _stopped(ended: Ended) -> float:
    """Rolled back, or withdrawn at the deadline: no user meets it."""
    return 1.0 - ended.passed


def _copy() -> Any:
    return between("champion", "champion")


def _half() -> Any:
    return between("one half", "other half")


def _fair() -> Any:
    return between("champion", "fair")


def _unfair() -> Any:
    return between("champion", "unfair")


PROMISES = (
    Promise("a copy of the champion: rolled back", 0.05, False, _copy, _back),
    Promise("the same recipe on other people: rolled back", 0.05, False, _half, _back),
    Promise("the gap grows by rollback_at: rolled back", 0.05, False,
            lambda: moved_apart(0.03), _back),
    Promise("the gap grows by its margin: passes", 0.05, False, lambda: moved_apart(0.1), _passed),
    Promise("fair: passes", 0.9, True, _fair, _passed),
    Promise("better overall, worse for one group: stopped", 0.95, True, _unfair, _stopped),
    Promise("the same, by proof of harm before the deadline", 0.85, True, _unfair, _back),
)  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--runs", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=SEED)
    given = asked.parse_args()
    print("| promise | required | measured | ± |\n|---|---|---|---|")
    for promise in PROMISES:
        measured = promise.share(releases(promise.candidate, given.runs, given.seed))
        sign = "≥" if promise.at_least else "≤"
        room = slack(promise.required, given.runs)
        print(f"| {promise.name} | {sign} {promise.required:g} | {measured:.3f} | {room:.3f} |")
    print(f"\n{given.runs} runs a row, seed {given.seed}.")


if __name__ == "__main__":
    main()
