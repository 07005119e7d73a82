"""What a look costs as a release grows: ratios measured in one run.

::

    python -m tests.benchmarks.looks [--looks 2000] [--windows 500] [--repeat 9]

20 guardrails, each with 10 groups: 220 sequences of windows, one window a day each.

- A later look is given the windows that are new, and what the look before left
  (``weigh_further``). It is compared with the first look that has as many steps behind it:
  harm that begins with a later step is weighed beside that of all days, so steps cost, and
  windows do not. The flow has no process between looks, and refolds.
- Refolding weighs all windows from nothing (``weigh_all``): e-values, interval and all. It is
  compared with adding the same windows up with NumPy: rows, weighted means and squares of every
  guardrail and group, read from the same window objects. A real step ends within a day, so it is
  also done with days on which two steps have windows.

Times are medians; what is promised is the ratio, which hardly depends on the machine.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import numpy as np

from policies.schema import Budget, Guardrail, Segments
from policies.vocabulary import Moments, WindowPair
from tasks.evidence.running import Running
from tasks.evidence.sequential import weigh_all, weigh_further

GUARDRAILS, GROUPS = 20, 10
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)
BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=20)
STEPS = ("shadow", "canary 5 %", "ramp 25 %", "ramp 50 %", "full", "soak")
LATER_STEPS = len(STEPS) - 1
MOST_LOOK, MOST_REFOLD = 1.2, 3.0  # ratios promised

Windows = Mapping[str, Sequence[WindowPair]]


def guardrails() -> list[Guardrail]:
    values = tuple(f"group {number}" for number in range(GROUPS))
    groups = Segments(column="origin", values=values, margin=0.08, rollback_at=0.03, share=0.5)
    rail = Guardrail(
        name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
        weight=1.0 / GUARDRAILS, information=15_000, segments=groups, why="benchmark",
    )  # fmt: skip
    names = [f"quality {number}" for number in range(GUARDRAILS)]
    return [rail.model_copy(update={"name": name}) for name in names]


def windows(days: int, steps: int, seed: int = 20130501) -> Windows:
    """Of every guardrail and group; ``steps`` of them, equally long."""
    draw = random.Random(seed)
    names = [part.name for rail in guardrails() for part in (rail, *rail.by_segment().values())]
    starts = [MIDNIGHT + timedelta(days=day) for day in range(days)]
    step = [STEPS[day * steps // days] for day in range(days)]
    return {
        name: [
            WindowPair(
                start=start,
                step=where,
                paired=Moments(n=900, mean=draw.gauss(0.0, 0.05), m2=50.0),
            )
            for start, where in zip(starts, step, strict=True)
        ]
        for name in names
    }


def overlapping(seen: Windows) -> Windows:
    """The same, and on the day on which a step begins the step before has a window too.

    In the order in which telemetry reads them: by start and step.
    """
    return {
        name: sorted([*part, *_ends(part)], key=lambda w: (w.start, w.step))
        for name, part in seen.items()
    }


def _ends(part: Sequence[WindowPair]) -> list[WindowPair]:
    changes = [(one, other) for one, other in pairwise(part) if one.step != other.step]
    return [other.model_copy(update={"step": one.step}) for one, other in changes]


def in_turn(
    one: Callable[[], object], other: Callable[[], object], repeat: int
) -> tuple[float, float]:
    """Median seconds of both, taken in turn: a machine that slows down slows both."""
    one(), other()
    times = [(seconds(one), seconds(other)) for _ in range(repeat)]
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    return first, second


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def look(rails: Sequence[Guardrail], seen: Windows, number: int) -> Callable[[], object]:
    """The look after ``number - 1`` windows, with one more of each."""
    before = {name: part[: number - 1] for name, part in seen.items()}
    new = {name: part[number - 1 : number] for name, part in seen.items()}
    left: Mapping[str, Running]
    left, _ = weigh_further({}, rails, before, BUDGET, later_steps=LATER_STEPS)
    return lambda: weigh_further(left, rails, new, BUDGET, later_steps=LATER_STEPS)


def summed(seen: Windows) -> list[tuple[float, float, float]]:
    """What any fold must do at least: every number of every window, added up."""
    found = []
    for part in seen.values():
        read = [(w.paired.n, w.paired.mean, w.paired.m2) for w in part if w.paired is not None]
        n, mean, m2 = np.array(read, dtype=float).T
        found.append((float(n.sum()), float(n @ mean), float((m2 + n * mean * mean).sum())))
    return found


def measure(looks: int, folded: int, repeat: int) -> list[tuple[str, float, float, float]]:
    """Name, seconds, seconds of what it is compared with, and the ratio promised."""
    gc.disable()  # half a million windows stay: looking through them is no part of a look
    rails, rows = guardrails(), []
    for steps, told in ((1, "one step"), (len(STEPS), "six steps")):
        seen = windows(looks, steps)
        firsts = [looks * step // steps for step in range(steps)]
        early = {name: [part[at] for at in firsts] + [part[-1]] for name, part in seen.items()}
        second, last = look(rails, early, steps + 1), look(rails, seen, looks)
        late, first = in_turn(last, second, 5 * repeat)
        rows.append((f"look {looks:,} against look {steps + 1}, {told}", late, first, MOST_LOOK))
        few = windows(folded, steps)
        rows.append(refolded(rails, few, told, repeat))
    rows.append(refolded(rails, overlapping(few), "six steps that change within a day", repeat))
    return rows


def refolded(
    rails: Sequence[Guardrail], few: Windows, told: str, repeat: int
) -> tuple[str, float, float, float]:
    weighing = partial(weigh_all, rails, few, BUDGET, later_steps=LATER_STEPS)
    whole, adding = in_turn(weighing, partial(summed, few), repeat)
    count = len(next(iter(few.values())))
    return f"{count} windows weighed against added up, {told}", whole, adding, MOST_REFOLD


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--looks", type=int, default=2000)
    parser.add_argument("--windows", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=9)
    asked = parser.parse_args()
    print(f"{GUARDRAILS} guardrails x {GROUPS} groups, medians of {asked.repeat}")
    print("| what | ms | against, ms | ratio | promised | |\n|---|---|---|---|---|---|")
    missed = 0
    for name, took, against, most in measure(asked.looks, asked.windows, asked.repeat):
        ratio = took / against
        missed += ratio > most
        told = f"≤ {most:g} |" if ratio <= most else f"≤ {most:g} | MISSED"
        print(f"| {name} | {took * 1e3:.1f} | {against * 1e3:.1f} | {ratio:.2f} | {told} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
