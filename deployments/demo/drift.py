"""How far healthy scores move from month to month, and how far those of a model that is broken.

    python -m deployments.demo.drift

Each day's window of scores is compared with the days before it, as the daily look does it, by the
same bins and distances. Healthy: the champion and the better model, April to December. Broken, in
the window alone: weather in other units, weather that is all zeros, one airport that is not seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from policies.schema import Distance
from policies.vocabulary import Bins, Histogram
from tasks.evaluation.drift import measure
from tasks.telemetry.bins import QUANTILES, edges_of

if TYPE_CHECKING:
    import pandas as pd

FIRST, LAST = date(2013, 4, 1), date(2013, 12, 31)
Days = Sequence[Any]  # an array of scores for each day


@dataclass(frozen=True)
class Case:
    """Scores of the reference, and those of the window where they come from a broken model."""

    name: str
    reference: Days
    window: Days


def drifts(case: Case, window_days: int, reference_days: int) -> Mapping[Distance, list[float]]:
    """One value a day and distance, from the first day that has a whole reference on."""
    found: dict[Distance, list[float]] = {distance: [] for distance in get_args(Distance)}
    for end in range(window_days + reference_days, len(case.reference) + 1):
        start = end - window_days
        before = _joined(case.reference[start - reference_days : start])
        now = _joined(case.window[start:end])
        bins = Bins(edges=edges_of([float(q) for q in _quantiles(before)]))
        reference, window = _histogram(bins, before), _histogram(bins, now)
        for distance, values in found.items():
            values.append(measure(distance, reference, window).value or 0.0)
    return found


def _joined(days: Days) -> Any:
    import numpy as np

    return np.concatenate(list(days))


def _quantiles(scores: Any) -> Any:
    import numpy as np

    return np.quantile(scores, QUANTILES)


def _histogram(bins: Bins, scores: Any) -> Histogram:
    import numpy as np

    places = np.searchsorted(bins.edges, scores, side="left")
    size = len(bins.edges) + 1
    counts = np.bincount(places, minlength=size)
    sums = np.bincount(places, weights=scores, minlength=size)
    return Histogram(
        bins=bins, counts=tuple(int(n) for n in counts), sums=tuple(float(s) for s in sums)
    )


def cases(folder: Path) -> Iterator[Case]:
    from deployments.demo.flights import WEATHER, between, prepare
    from deployments.demo.training import train

    flights = prepare(folder)
    replay = between(flights, FIRST, LAST)
    blind = replay.assign(**dict.fromkeys(WEATHER, 0.0))
    for kind, broken in (("champion", ()), ("better", ("unit_bug", "segment_lga"))):
        model = train(kind, flights).model  # type: ignore[arg-type]
        scores = _by_day(model, replay)
        yield Case(f"{kind}, healthy", scores, scores)
        yield Case(f"{kind}, weather of zeros", scores, _by_day(model, blind))
        for other in broken:
            yield Case(
                f"{kind} as {other}",
                scores,
                _by_day(train(other, flights).model, replay),  # type: ignore[arg-type]
            )


def _by_day(model: Any, flights: pd.DataFrame) -> Days:
    from deployments.demo.flights import INPUTS

    model.load_context(None)
    scored = flights.assign(score=model.predict(None, flights[INPUTS]))
    return [day["score"].to_numpy(float) for _, day in scored.groupby("day")]


def report(folder: Path, windows: Sequence[int], reference_days: int) -> Iterator[str]:
    import numpy as np

    for case in cases(folder):
        for days in windows:
            for distance, values in drifts(case, days, reference_days).items():
                least, half, most95, most99, most = np.quantile(values, [0, 0.5, 0.95, 0.99, 1])
                yield (
                    f"{case.name}, {days} days against {reference_days}, {distance}: "
                    f"least {least:.3f}, median {half:.3f}, 95 % {most95:.3f}, 99 % {most99:.3f}, "
                    f"greatest {most:.3f} of {len(values)} days"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path(".seatrial") / "demo")
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 2, 7])
    parser.add_argument("--reference-days", type=int, default=28)
    asked = parser.parse_args()
    for line in report(asked.data, asked.windows, asked.reference_days):
        print(line, flush=True)


if __name__ == "__main__":
    main()
