"""Simulated releases, judged by the engine's own functions, many at once.

Every function takes how many runs and a seed, and returns shares or counts over the runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evidence.arms import Arms
from tasks.evidence.day_mixture import log_e_above, summarise_days
from tasks.evidence.means import Means
from tasks.evidence.rates import Rates
from tests.statistical.setting import SETTING, Release

Floats = NDArray[np.float64]
CHUNK = 25  # releases in memory at once


@dataclass(frozen=True)
class Ended:
    """What became of each of the simulated releases."""

    rolled_back: NDArray[np.bool_]
    exposed: Floats  # candidate requests until then; infinity where it was not rolled back
    promoted: NDArray[np.bool_]

    @staticmethod
    def together(parts: list[Ended]) -> Ended:
        fields = ("rolled_back", "exposed", "promoted")
        return Ended(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))

    @property
    def median_exposed(self) -> float:
        return float(np.median(self.exposed))


def _chunks(runs: int) -> Iterator[int]:
    return (min(CHUNK, runs - done) for done in range(0, runs, CHUNK))


def releases(
    ratios: tuple[float, ...], runs: int, seed: int, plan: Release = SETTING.fine,
    *, windows: int | None = None,
) -> Ended:  # fmt: skip
    """Whole releases; ``ratios``: each metric's true rate over the champion's.

    ``windows``: stop there (a harm that is always found early needs no soak); nothing is then
    promoted.
    """
    rng, end = np.random.default_rng(seed), windows or plan.windows
    nb = np.array(plan.candidate_rows, dtype=float)[:end]
    na = plan.rows_a_window - nb
    step = np.repeat(np.arange(len(plan.shares)), plan.windows_a_step)[:end]
    base = np.array(plan.base_rates)[:, None]
    planned = _planned(plan) * base * (1.0 - base)
    rate = base * np.array(plan.drifts)[:end]
    worse = np.clip(rate * np.array(ratios)[:, None], 0.0, 1.0)
    parts = []
    for chunk in _chunks(runs):
        shape = (chunk, *rate.shape)
        xa = rng.binomial(na.astype(int), rate, size=shape).astype(float)
        xb = rng.binomial(nb.astype(int), worse, size=shape).astype(float)
        rates = Rates.of(step, na, xa, nb, xb, planned=planned, alpha=plan.alpha, beta=plan.beta)
        parts.append(_ended(rates, plan, np.cumsum(nb), whole=end == plan.windows))
    return Ended.together(parts)


def pooled_difference(ratio: float, plan: Release) -> float:
    """What all rows of each arm together would say of the rarest metric: expected rates."""
    drifts, nb, base = np.array(plan.drifts), np.array(plan.candidate_rows), plan.base_rates[0]
    na = plan.rows_a_window - nb
    return float(base * ((ratio * drifts * nb).sum() / nb.sum() - (drifts * na).sum() / na.sum()))


def split_difference(ratio: float, plan: Release) -> float:
    """What the windows say, each by itself: expected rates."""
    return float(plan.base_rates[0] * (ratio - 1.0) * np.mean(plan.drifts))


def _planned(plan: Release) -> float:
    """Sum of the precision weights of all windows: V at the end for rows of variance one."""
    nb = np.array(plan.candidate_rows, dtype=float)
    return float(((plan.rows_a_window - nb) * nb / plan.rows_a_window).sum())


def _ended(rates: Rates, plan: Release, exposed: Floats, *, whole: bool) -> Ended:
    """Rolled back as soon as the mean of the harm e-values says so; else promoted at the end
    when every metric is shown to be within its margin."""
    harm = rates.log_e_harm(plan.rollback_at)
    total = np.logaddexp.reduce(harm, axis=1) - math.log(harm.shape[1])
    hit = total >= -math.log(plan.alpha)
    rolled_back = hit.any(axis=-1)
    requests = np.where(rolled_back, exposed[hit.argmax(axis=-1)], np.inf)
    if not whole:
        return Ended(rolled_back, requests, np.zeros_like(rolled_back))
    safe = rates.log_e_safe(plan.margin)[..., -1]
    return Ended(rolled_back, requests, (safe >= -math.log(plan.beta)).all(axis=-1) & ~rolled_back)


# ── One metric, looked at after every hundredth of its rows ─────────────────────────────────


def values(kind: str, rng: np.random.Generator, size: tuple[int, ...]) -> Floats:
    """Draws of one of the distributions of ``Peeking``."""
    peeking = SETTING.peeking
    if kind == "normal":
        return rng.normal(size=size)
    if kind == "lognormal":
        return rng.lognormal(0.0, peeking.lognormal_sigmas[-1], size=size)
    if kind == "buyers":
        spent = rng.lognormal(0.0, peeking.buyers_sigma, size=size)
        return np.where(rng.random(size) < peeking.buyers, spent, 0.0)
    raise ValueError(kind)


def _windows_of(rows: Floats, looks: int) -> tuple[Floats, Floats]:
    """Mean and squared deviations of each of ``looks`` equal windows."""
    parts = rows.reshape(*rows.shape[:-1], looks, -1)
    mean = parts.mean(axis=-1)
    return mean, ((parts - mean[..., None]) ** 2).sum(axis=-1)


def peeked_means(kind: str, runs: int, seed: int) -> float:
    """Share of A/A comparisons that a look at every hundredth ever calls harmful."""
    peeking, rng = SETTING.peeking, np.random.default_rng(seed)
    n = np.full(peeking.looks, peeking.rows_an_arm / peeking.looks)
    hits = 0
    for chunk in _chunks(runs):
        size = (chunk, peeking.rows_an_arm)
        a, b = values(kind, rng, size), values(kind, rng, size)
        arms = Arms(np.zeros(peeking.looks), n, *_windows_of(a, peeking.looks), n,
                    *_windows_of(b, peeking.looks))  # fmt: skip
        planned = peeking.rows_an_arm / 2.0 * float(a.var())
        means = Means(arms, planned, peeking.alpha, peeking.alpha, relative=False)
        hits += int((means.log_e_harm(0.0) >= -math.log(peeking.alpha)).any(axis=-1).sum())
    return hits / runs


def peeked_rates(rate: float, runs: int, seed: int) -> float:
    """The same for yes/no rows."""
    peeking, rng = SETTING.peeking, np.random.default_rng(seed)
    rows = peeking.rows_an_arm // peeking.looks
    n = np.full(peeking.looks, float(rows))
    xa, xb = rng.binomial(rows, rate, size=(2, runs, peeking.looks)).astype(float)
    planned = peeking.rows_an_arm / 2.0 * rate * (1.0 - rate)
    found = Rates.of(np.zeros(peeking.looks), n, xa, n, xb, planned=planned,
                     alpha=peeking.alpha, beta=peeking.alpha)  # fmt: skip
    return float((found.log_e_harm(0.0) >= -math.log(peeking.alpha)).any(axis=-1).mean())


# ── What breaks rows apart: users, correlated metrics, minutes, tails ───────────────────────


def repeated_users(runs: int, seed: int, rows: int = 11, likeness: float = 0.3) -> float:
    """False rollbacks when a user's rows resemble each other and the user is the unit."""
    rng, looks, users = np.random.default_rng(seed), 40, 1000
    n = np.full(looks, users / looks)
    hits = 0
    for chunk in _chunks(runs):
        own = rng.normal(0.0, math.sqrt(likeness), size=(2, chunk, users))
        noise = rng.normal(0.0, math.sqrt((1.0 - likeness) / rows), size=own.shape)
        a, b = own + noise
        arms = Arms(np.zeros(looks), n, *_windows_of(a, looks), n, *_windows_of(b, looks))
        planned = users / 2.0 * (likeness + (1.0 - likeness) / rows)
        means = Means(arms, planned, 0.05, 0.05, relative=False)
        hits += int((means.log_e_harm(0.0) >= math.log(20)).any(axis=-1).sum())
    return hits / runs


def correlated(runs: int, seed: int, metrics: int = 20, likeness: float = 0.3) -> float:
    """False rollbacks of many guardrails that move together; their e-values are averaged."""
    rng, looks, rows = np.random.default_rng(seed), 100, 100
    n = np.full(looks, float(rows))
    hits = 0
    for chunk in _chunks(runs):
        common = rng.normal(size=(2, chunk, 1, looks)) * math.sqrt(likeness / rows)
        own = rng.normal(size=(2, chunk, metrics, looks)) * math.sqrt((1.0 - likeness) / rows)
        mean = common + own
        m2 = rng.chisquare(rows - 1, size=mean.shape)
        arms = Arms(np.zeros(looks), n, mean[0], m2[0], n, mean[1], m2[1])
        means = Means(arms, looks * rows / 2.0, 0.05, 0.05, relative=False)
        total = np.logaddexp.reduce(means.log_e_harm(0.0), axis=1) - math.log(metrics)
        hits += int((total >= math.log(20)).any(axis=-1).sum())
    return hits / runs


def minutes(runs: int, seed: int, resemblance: float = 0.8, batch: int = 30) -> float:
    """False rollbacks on a host metric that is only known by the minute.

    Declared handling: minutes of both models are paired, half hours are the clusters, and
    their variance is taken between clusters alone.
    """
    rng, hours = np.random.default_rng(seed), 48
    length, hits = hours * 60, 0
    for _ in range(runs):
        shocks = rng.normal(size=(2, length)) * math.sqrt(1.0 - resemblance**2)
        series = np.empty_like(shocks)
        series[:, 0] = rng.normal(size=2)
        for minute in range(1, length):
            series[:, minute] = resemblance * series[:, minute - 1] + shocks[:, minute]
        gaps = (series[1] - series[0]).reshape(-1, batch).mean(axis=-1).tolist()
        sizes = [float(batch)] * len(gaps)
        looks = range(2, len(gaps) + 1)
        hits += any(
            log_e_above(summarise_days(gaps[:k], sizes[:k], 20), 0.0, 100.0, 0.05) >= math.log(20)
            for k in looks
        )
    return hits / runs


def tail(slower: float, runs: int, seed: int, rows: int = 20_000, looks: int = 100) -> float:
    """Share rolled back when latency is log-normal and the 99th percentile was frozen before."""
    rng, frozen = np.random.default_rng(seed), math.exp(2.3263478740408408)
    each = rows // looks
    n, harm = np.full(looks, float(each)), 0
    for chunk in _chunks(runs):
        a, b = rng.lognormal(size=(2, chunk, looks, each))
        xa = (a > frozen).sum(axis=-1).astype(float)
        xb = (b * slower > frozen).sum(axis=-1).astype(float)
        found = Rates.of(np.zeros(looks), n, xa, n, xb, planned=rows / 2.0 * 0.0099,
                         alpha=0.05, beta=0.05)  # fmt: skip
        harm += int((found.log_e_harm(0.04) >= math.log(20)).any(axis=-1).sum())
    return harm / runs


def slack(required: float, runs: int) -> float:
    """Three standard errors of a share that really is what is required."""
    return 3.0 * math.sqrt(required * (1.0 - required) / runs)
