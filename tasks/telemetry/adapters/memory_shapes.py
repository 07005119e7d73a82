"""How values are distributed, counted over lists: the definitions in plain Python."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from policies.vocabulary import Bins, Histogram
from tasks.telemetry.bins import MOST_CATEGORIES, edges_of, number_of, quantiles_of

Texts = Sequence[str | None]  # one for each request; None: it carried nothing


def bins_of(column: str | None, values: Texts) -> Bins:
    carried = [value for value in values if value is not None]
    numbers = [number for value in carried if (number := number_of(value)) is not None]
    if not carried:
        return Bins(column=column)
    if len(numbers) == len(carried):
        return Bins(column=column, edges=edges_of(quantiles_of(numbers)))
    often = sorted(Counter(carried).items(), key=lambda item: (-item[1], item[0]))
    return Bins(column=column, categories=tuple(text for text, _ in often[:MOST_CATEGORIES]))


def histogram_of(bins: Bins, values: Texts) -> Histogram:
    return _of_numbers(bins, values) if bins.edges else _of_texts(bins, values)


def _of_numbers(bins: Bins, values: Texts) -> Histogram:
    counts, sums = [0] * (len(bins.edges) + 1), [0.0] * (len(bins.edges) + 1)
    for value in values:
        if (number := number_of(value)) is not None:
            place = bisect_left(bins.edges, number)
            counts[place] += 1
            sums[place] += number
    missing = len(values) - sum(counts)
    return Histogram(bins=bins, counts=tuple(counts), sums=tuple(sums), missing=missing)


def _of_texts(bins: Bins, values: Texts) -> Histogram:
    found = Counter(value for value in values if value is not None)
    known = [found.pop(text, 0) for text in bins.categories]
    missing = sum(value is None for value in values)
    return Histogram(bins=bins, counts=(*known, sum(found.values())), missing=missing)
