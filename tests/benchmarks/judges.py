"""Seatrial beside the rules of other delivery systems, on the same recorded releases.

    make judges                                            # all of it, a few minutes
    python -m tests.benchmarks.judges --runs 50            # a first look
    python -m tests.benchmarks.judges --only flights       # --data: a folder for the demo's data

**Minutes.** Five error rates through canary, ramp and soak while the champion's own rates drift
(``tests/statistical/setting.py``; its digest is printed). Each rule is written from its published
description, with its defaults (``tests/benchmarks/rules/``), and sees the same counts:

* *documented* takes the thresholds of the documentation's example as they are;
* *fixed* sets each at the highest rate the champion will reach, and the margin on top;
* *relative* asks for the champion's rate at the same time, and the margin on top;
* *calibrated* raises the fixed thresholds until other A/A releases are rolled back 5 % of the time
  at most: what an operator could reach who rehearsed a hundred releases beforehand.

GrowthBook tests each metric at .05 by default; *alpha shared* divides that by their number.
GrowthBook and Kayenta compare arms of equal size, as they advise; Seatrial all of the traffic.

A rule is right to roll back only what is worse than the margin, so its rollbacks in A/A are
false, and promoting a candidate at the margin is wrong more than ``beta`` of the time. ``missed``
is the share of harmful candidates never rolled back, ``rows`` the candidate's requests until the
release ended (median; with a miss they are all of them).

**Flights.** ``tests/benchmarks/flights.py``: whole days share their weather, so rows are not
independent, and the demo's own policy releases.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.benchmarks.rules import argo, flagger, growthbook, kayenta, naive, seatrial
from tests.benchmarks.streams import Ended, Streams, draw, exposed
from tests.statistical.setting import SETTING, Harm, Release

Rule = Callable[[Streams], Ended]
OURS = "Seatrial"
AT_ONCE = 50  # runs held in memory
CALIBRATION_RUNS, HALVINGS, LARGEST_FACTOR = 100, 10, 64.0


@dataclass(frozen=True)
class Result:
    """One rule on one kind of candidate."""

    rolled_back: float
    promoted: float
    rows: float


Table = Mapping[str, Mapping[str, Result]]  # by rule, then by kind of candidate


def rules(release: Release, seed: int) -> dict[str, Rule]:
    many = len(release.base_rates)
    fixed = np.asarray(release.base_rates) * max(release.drifts) * (1 + release.margin)
    rehearsed = draw(release, (1.0,) * many, CALIBRATION_RUNS, np.random.default_rng([seed, 1]))
    found: dict[str, Rule] = {}
    for name, rule, documented, relative in (
        ("Argo Rollouts", argo.judge, argo.DOCUMENTED_LIMIT, argo.relative_limits),
        ("Flagger", flagger.judge, flagger.DOCUMENTED_LIMIT, flagger.relative_limits),
    ):
        found[f"{name}, documented"] = partial(rule, limits=np.full(many, documented))
        found[f"{name}, fixed"] = partial(rule, limits=fixed)
        found[f"{name}, relative"] = partial(_relative, rule, relative)
        factor = calibrated(rule, rehearsed, fixed, release.alpha)
        found[f"{name}, calibrated (x{factor:.2g})"] = partial(rule, limits=fixed * factor)
    return found | {
        "Kayenta": kayenta.judge,
        "GrowthBook": growthbook.judge,
        "GrowthBook, alpha shared": partial(growthbook.judge, alpha=growthbook.ALPHA / many),
        "z test at every look": naive.judge,
        OURS: seatrial.judge,
    }


def _relative(rule: Callable[..., Ended], limits: Callable[[Streams], object], s: Streams) -> Ended:
    return rule(s, limits=limits(s))


def calibrated(
    rule: Callable[..., Ended], rehearsed: Streams, fixed: np.ndarray, alpha: float
) -> float:
    """The least factor on the fixed thresholds that keeps false rollbacks to alpha."""
    low, high = 1.0, LARGEST_FACTOR
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        ended = rule(rehearsed, limits=fixed * middle)
        low, high = (low, middle) if ended.stopped.mean() <= alpha else (middle, high)
    return high


def measure(release: Release, harms: Sequence[Harm], runs: int, seed: int) -> Table:
    """Every rule on every kind of candidate; all see the same draws."""
    judges = rules(release, seed)
    table: dict[str, dict[str, Result]] = {name: {} for name in judges}
    for number, harm in enumerate(harms):
        parts: dict[str, list[tuple[Ended, np.ndarray]]] = {name: [] for name in judges}
        for chunk in range(0, runs, AT_ONCE):
            rng = np.random.default_rng([seed, 2, number, chunk])
            streams = draw(release, harm.ratios, min(AT_ONCE, runs - chunk), rng)
            for name, rule in judges.items():
                ended = rule(streams)
                parts[name].append((ended, exposed(streams, ended)))
        for name, found in parts.items():
            table[name][harm.name] = _result(found)
        print(f"  {harm.name} done", file=sys.stderr, flush=True)
    return table


def _result(parts: Sequence[tuple[Ended, np.ndarray]]) -> Result:
    return Result(
        rolled_back=float(np.concatenate([e.stopped for e, _ in parts]).mean()),
        promoted=float(np.concatenate([e.promoted for e, _ in parts]).mean()),
        rows=float(np.median(np.concatenate([rows for _, rows in parts]))),
    )


def told(table: Table, harms: Sequence[Harm]) -> Iterator[str]:
    """The table in Markdown."""
    heads = ["rule"]
    for harm in harms:
        heads.append(f"{harm.name}: {_ASKED[harm.kind]}")
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for rule, found in table.items():
        cells = [_cell(harm, found[harm.name]) for harm in harms]
        yield "| " + " | ".join([rule, *cells]) + " |"


_ASKED = {
    "none": "rolled back",
    "inside": "rolled back",
    "at the margin": "promoted",
    "harm": "missed, rows",
}


def _cell(harm: Harm, result: Result) -> str:
    if harm.kind == "harm":
        return f"{1 - result.rolled_back:.3f}, {result.rows:,.0f}"
    return f"{result.promoted if harm.kind == 'at the margin' else result.rolled_back:.3f}"


def compared(table: Table, harms: Sequence[Harm], alpha: float) -> Iterator[str]:
    """Who exposes the fewest requests among the rules that keep to alpha."""
    none = [harm.name for harm in harms if harm.kind == "none"]
    keeps = [rule for rule, r in table.items() if max(r[n].rolled_back for n in none) <= alpha]
    yield f"False rollbacks of at most {alpha:g}: {', '.join(keeps) or 'no rule'}."
    if OURS not in keeps:
        yield f"{OURS} is not among them."
    for harm in (h for h in harms if h.kind == "harm"):
        yield "  " + _least(harm, {rule: table[rule][harm.name] for rule in keeps})


def _least(harm: Harm, found: Mapping[str, Result]) -> str:
    if not found:
        return f"{harm.name}: nothing to compare."
    fewest = min(result.rows for result in found.values())
    best = [rule for rule, result in found.items() if result.rows == fewest]
    line = f"{harm.name}: fewest with {' and '.join(best)} ({fewest:,.0f} requests)"
    if OURS in found and OURS not in best:
        line += f"; {OURS} is NOT the lowest ({found[OURS].rows:,.0f})"
    return line + "."


def minutes(runs: int, seed: int) -> Iterator[str]:
    release, harms = SETTING.fine, SETTING.harms
    table = measure(release, harms, runs, seed)
    yield f"{runs} releases of each kind, a look a minute"
    yield from told(table, harms)
    yield from compared(table, harms, release.alpha)
    error = 3 * (release.alpha * (1 - release.alpha) / runs) ** 0.5
    yield f"Three standard errors of a share of {release.alpha:g}: {error:.3f}."


def days(folder: Path, runs: int, seed: int) -> Iterator[str]:
    from tests.benchmarks import flights  # trains models: only when asked for

    yield f"{runs} releases of each kind on resampled days of flights, a look a day"
    yield from flights.told(flights.measure(folder, runs, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--only", choices=["minutes", "flights"])
    parser.add_argument("--runs", type=int, default=200, help="releases judged by the minute")
    parser.add_argument("--flight-runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=SETTING.seed)
    parser.add_argument("--data", type=Path, default=Path(".seatrial") / "demo")
    asked = parser.parse_args()
    if asked.runs < 1 or asked.flight_runs < 1:
        parser.error("at least one release has to be judged")
    print(f"setting {SETTING.digest()[:16]}, seed {asked.seed}")
    tables = {
        "minutes": lambda: minutes(asked.runs, asked.seed),
        "flights": lambda: days(asked.data, asked.flight_runs, asked.seed),
    }
    for name in [asked.only] if asked.only else tables:
        begun = time.monotonic()
        for line in tables[name]():
            print(line, flush=True)
        print(f"{time.monotonic() - begun:.0f} s.\n", flush=True)


if __name__ == "__main__":
    main()
