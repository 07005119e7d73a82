"""Kayenta's judge NetflixACAJudge: a rank test for each metric, then a score of all.

spinnaker.io/docs/guides/user/canary/judge, and NetflixACAJudge.scala, MannWhitney.scala and
MannWhitneyClassifier.scala of spinnaker/kayenta: missing points are removed (or replaced by 0);
a metric without points on either side is Nodata; one whose points are the same on both sides, or
all one value, passes. Otherwise the 98 % interval of the location shift is that of R's
``wilcox.test`` (normal approximation, corrected for ties and continuity). High: its lower end
lies above a quarter of the absolute Hodges-Lehmann shift; Low: the mirror image. Both numbers
are constants of the judge. The score is the share of metrics that passed, of those that have
data; a canary ends early at or below ``marginal`` and must reach ``pass`` at its last interval
(75 and 95 in the example of its json-formats.md).

An end of the interval is compared with a bound by testing at the bound, which is the same thing.
Where even the extreme shift is not rejected (few points) the interval ends there, as in theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.streams import Bools, Ended, Streams

CONFIDENCE_Z = 2.3263478740408408  # two-sided 98 %
TOLERANCE = 0.25
PASS, MARGINAL = 95.0, 75.0
INTERVAL = 50  # windows: the judge warns below 50 points

Numbers = NDArray[np.float64]
Label = Literal["Pass", "High", "Low", "Nodata", "Error"]
Direction = Literal["increase", "decrease", "either"]


def classify(
    control: Sequence[float],
    experiment: Sequence[float],
    direction: Direction = "either",
    *,
    replace_nan: bool = False,
) -> Label:
    """One metric of one interval."""
    a, b = _clean(control, replace_nan), _clean(experiment, replace_nan)
    if not len(a) or not len(b):
        return "Pass" if replace_nan else "Nodata"
    if len(np.unique(np.concatenate([a, b]))) == 1 or np.array_equal(np.sort(a), np.sort(b)):
        return "Pass"
    if len(a) == len(b) == 1:
        return "Error"  # at the extreme shift both are tied, and theirs throws
    if direction != "decrease" and is_high(a[None], b[None])[0]:
        return "High"
    if direction != "increase" and is_high(-a[None], -b[None])[0]:
        return "Low"
    return "Pass"


def is_high(control: Numbers, experiment: Numbers) -> Bools:
    """Row by row: the whole interval of the shift lies above a quarter of the estimate."""
    estimate = np.median(
        (experiment[:, :, None] - control[:, None, :]).reshape(len(control), -1), axis=1
    )
    bound = TOLERANCE * np.abs(estimate)
    extreme = experiment.min(axis=1) - control.max(axis=1)
    varies = (control != control[:, :1]).any(axis=1) | (experiment != control[:, :1]).any(axis=1)
    same = (
        (np.sort(control) == np.sort(experiment)).all(axis=1)
        if (control.shape == experiment.shape)
        else np.zeros(len(control), dtype=bool)
    )
    at_the_end = _z(control, experiment, extreme) <= CONFIDENCE_Z
    low_above = np.where(at_the_end, extreme > bound, _z(control, experiment, bound) > CONFIDENCE_Z)
    return np.asarray(varies & ~same & low_above)


def score(labels: Sequence[Label], critical: Sequence[bool] = ()) -> float:
    """Of one group; half or more without data score nothing, and an Error is left out."""
    if any(c and label != "Pass" for c, label in zip(critical, labels, strict=False)):
        return 0.0
    if labels and labels.count("Nodata") * 2 >= len(labels):
        return 0.0
    judged = [label for label in labels if label in ("Pass", "High", "Low")]
    return 100.0 * judged.count("Pass") / len(judged) if judged else 100.0


def judge(streams: Streams) -> Ended:
    """Each step is one canary analysis, its data growing; a step that fails stops the release."""
    step = streams.release.windows_a_step
    served = np.full(streams.runs, streams.windows)
    alive = np.ones(streams.runs, dtype=bool)
    for start in range(0, streams.windows, step):
        for end in range(start + min(INTERVAL, step), start + step + 1, min(INTERVAL, step)):
            judged = np.flatnonzero(alive)
            if not len(judged):
                break
            scores = _scores(streams, judged, start, end)
            ends = scores < PASS if end == start + step else scores <= MARGINAL
            alive[judged[ends]] = False
            served[judged[ends]] = end
    return Ended(served, ~alive, alive)


def _scores(streams: Streams, runs: NDArray[np.int64], start: int, end: int) -> Numbers:
    n = streams.candidate_n[start:end]
    control = streams.control[runs, :, start:end] / n
    experiment = streams.candidate[runs, :, start:end] / n
    metrics = control.shape[1]
    high = np.stack([is_high(control[:, m], experiment[:, m]) for m in range(metrics)], axis=1)
    return np.asarray(100.0 * (1 - high.mean(axis=1)))


def _clean(values: Sequence[float], replace_nan: bool) -> Numbers:
    found = np.asarray(values, dtype=float)
    return np.nan_to_num(found) if replace_nan else found[~np.isnan(found)]


def _z(control: Numbers, experiment: Numbers, shift: Numbers) -> Numbers:
    """Of the rank sum with the experiment moved down by ``shift``, row by row."""
    moved = experiment - shift[:, None]
    n, m = experiment.shape[1], control.shape[1]
    ranks, ties = _ranks(np.concatenate([moved, control], axis=1))
    off = ranks[:, :n].sum(axis=1) - n * (n + 1) / 2 - n * m / 2
    both = n + m
    variance = n * m / 12 * (both + 1 - ties / (both * (both - 1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (off - 0.5 * np.sign(off)) / np.sqrt(np.maximum(variance, 0.0))
    return np.asarray(np.where(variance > 0, z, 0.0))


def _ranks(values: Numbers) -> tuple[Numbers, Numbers]:
    """Average ranks within each row, and the sum over its ties of t^3 - t."""
    rows, size = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    new = np.ones(values.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    group = np.cumsum(new.ravel()) - 1  # a row's first value always begins one
    sizes = np.bincount(group).astype(float)
    place = np.tile(np.arange(1, size + 1), rows)
    mean = np.bincount(group, weights=place) / sizes
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, mean[group].reshape(rows, size), axis=1)
    return ranks, (sizes**2 - 1)[group].reshape(rows, size).sum(axis=1)
