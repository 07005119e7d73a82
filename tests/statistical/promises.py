"""Print what the engine promises, what was required, and what was measured.

::

    python -m tests.statistical.promises [--runs 1000] [--seed 20130501]

Every row is simulated anew, judged by the functions that judge a release. ``runs`` is the
number of simulated releases of each row; a share carries a Monte Carlo error of three
standard errors, printed beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.statistical import simulated as sim
from tests.statistical.frozen_quantiles import rolled_back
from tests.statistical.setting import SETTING

HARM_WINDOWS = 250  # of the fine release: the canary and a quarter of the next step


@dataclass(frozen=True)
class Promise:
    name: str
    required: float
    at_least: bool
    measure: Callable[[int, int], float]
    is_share: bool = True

    def kept(self, measured: float, runs: int) -> bool:
        """Within three standard errors of a share; medians have no slack."""
        slack = sim.slack(self.required, runs) if self.is_share else 0.0
        if self.at_least:
            return measured >= self.required - slack
        return measured <= self.required + slack


def _share(name: str, most: float, measure: Callable[[int, int], float]) -> Promise:
    return Promise(name, most, False, measure)


def _ratios(place: int, ratio: float) -> tuple[float, ...]:
    return tuple(ratio if i == place else 1.0 for i in range(len(SETTING.fine.base_rates)))


def _rolled_back(ratios: tuple[float, ...]) -> Callable[[int, int], float]:
    return lambda runs, seed: float(sim.releases(ratios, runs, seed).rolled_back.mean())


def _promoted(ratios: tuple[float, ...]) -> Callable[[int, int], float]:
    return lambda runs, seed: float(sim.releases(ratios, runs, seed).promoted.mean())


def _found(ratios: tuple[float, ...]) -> Callable[[int, int], float]:
    return lambda runs, seed: float(
        sim.releases(ratios, runs, seed, windows=HARM_WINDOWS).rolled_back.mean()
    )


def _exposed(ratios: tuple[float, ...], windows: int) -> Callable[[int, int], float]:
    return lambda runs, seed: sim.releases(ratios, runs, seed, windows=windows).median_exposed


def _ramp_of_a_better_one(runs: int, seed: int) -> float:
    plan = replace(SETTING.release, base_rates=(0.01,), shares=SETTING.release.shares[:4])
    return float(sim.releases((0.8,), runs, seed, plan).rolled_back.mean())


def promises() -> Iterator[Promise]:
    """In the order of the table of docs/statistics.md."""
    peek = "a look at every hundredth of 10,000 rows an arm: false rollback, "
    for kind in ("normal", "lognormal", "buyers"):
        yield _share(peek + kind, 0.05, lambda runs, seed, k=kind: sim.peeked_means(k, runs, seed))
    for rate in SETTING.peeking.proportions:
        yield _share(
            f"{peek}yes/no {rate:g}", 0.05,
            lambda runs, seed, r=rate: sim.peeked_rates(r, runs, seed),
        )  # fmt: skip
    same = _ratios(0, 1.0)
    yield _share("whole release, no difference: rolled back", 0.05, _rolled_back(same))
    yield Promise("whole release, no difference: promoted", 0.95, True, _promoted(same))
    for place, base in ((2, "2 %"), (0, ".5 %")):
        at = _ratios(place, 1.0 + SETTING.fine.margin)
        yield _share(f"whole release, {base} metric at its margin: promoted", 0.05, _promoted(at))
    for place, base, most in ((2, "2 %", 900.0), (1, "1 %", 1_800.0), (0, ".5 %", 3_500.0)):
        twice = _ratios(place, 2.0)
        yield Promise(f"{base} metric twice as bad: rolled back", 0.99, True, _found(twice))
        name = f"{base} metric twice as bad: median requests exposed"
        yield Promise(name, most, False, _exposed(twice, HARM_WINDOWS), is_share=False)
    quarter = _exposed(_ratios(2, 1.25), 600)
    name = "2 % metric 25 % worse: median requests exposed"
    yield Promise(name, 13_000.0, False, quarter, is_share=False)
    inside = _rolled_back(_ratios(2, 1.03))
    yield _share("2 % metric 3 % worse, margin 10 %: rolled back", 0.05, inside)
    name = "ramp 1, 5, 25, 50 %, rate drifting from 1 to 2.2 %, 20 % better: rolled back"
    yield Promise(name, 0.0, False, _ramp_of_a_better_one)
    yield _share("20 correlated guardrails, no difference: rolled back", 0.05, sim.correlated)
    yield _share("11 rows a user, likeness .3, unit user: rolled back", 0.05, sim.repeated_users)
    yield _share("minutes with AR(1) .8, no difference: rolled back", 0.05, sim.minutes)
    yield _share("p99 latency, no difference: rolled back", 0.05, lambda r, s: sim.tail(1.0, r, s))
    yield Promise(
        "p99 latency 25 % slower: rolled back", 0.99, True, lambda r, s: sim.tail(1.25, r, s)
    )
    before = "p99 latency, estimated from 2,000 answers before and frozen, "
    yield _share(f"{before}no difference: rolled back", 0.05, lambda r, s: rolled_back(1.0, r, s))
    yield Promise(
        f"{before}25 % slower: rolled back", 0.99, True, lambda r, s: rolled_back(1.25, r, s)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=SETTING.seed)
    asked = parser.parse_args()
    print(f"setting {SETTING.digest()[:16]}, {asked.runs} runs a row, seed {asked.seed}")
    print("| promise | required | measured | ± | |\n|---|---|---|---|---|")
    broken = 0
    for promise in promises():
        began = time.monotonic()
        measured = promise.measure(asked.runs, asked.seed)
        kept = promise.kept(measured, asked.runs)
        broken += not kept
        print(_row(promise, measured, asked.runs, kept), flush=True)
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if broken else 0


def _row(promise: Promise, measured: float, runs: int, kept: bool) -> str:
    sign = "≥" if promise.at_least else "≤"
    shown = f"{measured:.3f}" if promise.is_share else f"{measured:,.0f}"
    required = f"{promise.required:g}" if promise.is_share else f"{promise.required:,.0f}"
    slack = f"{sim.slack(promise.required, runs):.3f}" if promise.is_share else ""
    return (
        f"| {promise.name} | {sign} {required} | {shown} | {slack} | {'' if kept else 'BROKEN'} |"
    )


if __name__ == "__main__":
    sys.exit(main())
