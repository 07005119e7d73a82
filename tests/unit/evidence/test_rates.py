"""Evidence from independent rows: laws that hold for every window and every look."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evidence import ratio_counts
from tasks.evidence.arms import Arms, sums
from tasks.evidence.means import Means
from tasks.evidence.normal_mixture import log_e, rho2_for
from tasks.evidence.rates import Rates

COUNTS = st.integers(0, 400)
Window = tuple[int, int, int, int]  # rows and events of the champion, then of the candidate


@st.composite
def windows(draw: st.DrawFn) -> list[Window]:
    found = []
    for _ in range(draw(st.integers(1, 12))):
        na, nb = draw(COUNTS), draw(COUNTS)
        found.append((na, draw(st.integers(0, na)), nb, draw(st.integers(0, nb))))
    return found


def rates(found: list[Window], steps: list[int] | None = None) -> Rates:
    na, xa, nb, xb = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    step = np.array(steps or [0] * len(found), dtype=float)
    return Rates.of(step, na, xa, nb, xb, planned=500.0, alpha=0.05, beta=0.05)


def binomial(n: int, p: float, x: int) -> float:
    return math.comb(n, x) * p**x * (1 - p) ** (n - x)


@pytest.mark.parametrize("ratio", [0.3, 0.9, 1.5, 4.0])
@pytest.mark.parametrize(("na", "nb"), [(5, 5), (9, 2), (1, 7)])
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.45])
def test_an_exact_factor_is_worth_at_most_one_on_the_border(
    ratio: float, na: int, nb: int, rate: float
) -> None:
    """Added up over everything that can happen to rows of two models, at any base rate."""
    border = 1.2
    worth = 0.0
    for xa, xb in itertools.product(range(na + 1), range(nb + 1)):
        log_l = ratio_counts.log_ratios(
            *(np.array(float(n)) for n in (na, xa, nb, xb)), border, (ratio,)
        )
        worth += binomial(na, rate, xa) * binomial(nb, border * rate, xb) * math.exp(log_l[0])
    assert worth <= 1.0 + 1e-12


def test_shares_are_a_distribution() -> None:
    assert math.fsum(ratio_counts.HARM_SHARES) == pytest.approx(1.0)
    assert math.fsum(ratio_counts.SAFE_SHARES) == pytest.approx(1.0)
    assert all(ratio > 1.04 for ratio in ratio_counts.harm_ratios(1.04))
    assert all(ratio < 1.04 for ratio in ratio_counts.safe_ratios(1.04))


@given(windows())
def test_a_look_does_not_depend_on_what_comes_after(found: list[Window]) -> None:
    """Recomputed from the first windows, or read on the way: the same number."""
    whole, half = rates(found), rates(found[: len(found) // 2 + 1])
    for evidence in (lambda r: r.log_e_harm(0.04), lambda r: r.log_e_safe(0.1)):
        early = evidence(half)
        assert evidence(whole)[: len(early)] == pytest.approx(early, abs=1e-9)


@given(windows())
def test_nothing_that_can_be_counted_breaks_it(found: list[Window]) -> None:
    """Empty arms, no events, nothing but events: finite everywhere, and no arm is no evidence."""
    told = rates(found)
    for log in (told.log_e_harm(0.0), told.log_e_safe(0.5)):
        assert np.isfinite(log).all()
    one_arm = rates([(na, xa, 0, 0) for na, xa, _, _ in found])
    assert one_arm.log_e_harm(0.04) == pytest.approx(0.0, abs=1e-12)
    assert one_arm.log_e_safe(0.1) == pytest.approx(0.0, abs=1e-12)


def test_a_thousand_million_rows_are_weighed() -> None:
    """The same share of events in both arms is safe, and twice as many is harm."""
    n = 10**9
    same = rates([(n, n // 100, n, n // 100)] * 3)
    assert same.log_e_safe(0.1)[-1] > 1000 and same.log_e_harm(0.04)[-1] < 0
    twice = rates([(n, n // 100, n, n // 50)] * 3)
    assert twice.log_e_harm(0.04)[-1] > 1000 and twice.log_e_safe(0.1)[-1] < 0


def test_steps_are_never_pooled() -> None:
    """A base rate that doubles with the candidate's share looks like harm only when pooled."""
    canary, ramp = [(9900, 100, 100, 1)] * 10, [(5000, 100, 5000, 100)] * 10
    told = rates(canary + ramp, [0] * 10 + [1] * 10)
    assert told.log_e_harm(0.04).max() < 0.5


def test_twice_the_faults_are_seen_long_before_normal_theory_holds() -> None:
    """Six percent of a few hundred answers beside two: no need to wait for twenty failures."""
    told = rates([(5940, 119, 60, 4)] * 5)
    assert told.rare.all()
    assert told.log_e_harm(0.04)[-1] > math.log(20)


def test_what_a_window_is_weighed_by_is_settled_before_it() -> None:
    """The window that brings the twentieth event is still weighed exactly; the next is not."""
    told = rates([(100, 15, 100, 15)] * 3)
    assert told.rare.tolist() == [True, True, False]


# ── Means ───────────────────────────────────────────────────────────────────────────────────


def means(scale: float = 1.0, shift: float = 0.0, gap: float = 0.5, **knobs: Any) -> Means:
    rng = np.random.default_rng(7)
    n = np.full(10, 50.0)
    a, b = rng.normal(10.0 + shift, 1.0, (10, 50)), rng.normal(10.0 + gap + shift, 1.0, (10, 50))
    arms = Arms(np.zeros(10), n, *_summed(scale * a), n, *_summed(scale * b))
    options = {"alpha": 0.05, "beta": 0.05, "relative": False} | knobs
    return Means(arms, planned=250.0 * scale**2, **options)


def _summed(rows: Any) -> tuple[Any, Any]:
    mean = rows.mean(axis=1)
    return mean, ((rows - mean[:, None]) ** 2).sum(axis=1)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_a_mean_does_not_matter(scale: float) -> None:
    told, plain = means(scale), means()
    assert told.log_e_harm(0.1 * scale) == pytest.approx(plain.log_e_harm(0.1), rel=1e-9)
    assert told.log_e_safe(0.9 * scale) == pytest.approx(plain.log_e_safe(0.9), rel=1e-9)


def test_a_mean_of_a_million_with_a_spread_of_one_keeps_its_digits() -> None:
    assert means(shift=1e6).log_e_harm(0.1) == pytest.approx(means().log_e_harm(0.1), rel=1e-4)


def test_a_relative_bound_is_a_share_of_the_champion() -> None:
    """Half a unit over ten is five percent: beyond four, within eight."""
    told = means(relative=True)
    assert told.log_e_harm(0.02)[-1] > math.log(20) and told.log_e_safe(0.1)[-1] > math.log(20)
    assert told.log_e_harm(0.06)[-1] < 0


def test_a_few_units_say_nothing() -> None:
    assert means().log_e_harm(0.0)[:1] == 0.0
    assert means().log_e_harm(0.0)[1] != 0.0


def test_no_spread_is_no_evidence() -> None:
    """All values alike: nothing is known of chance, so nothing is shown."""
    n = np.full(3, 200.0)
    arms = Arms(np.zeros(3), n, np.ones(3), np.zeros(3), n, np.full(3, 2.0), np.zeros(3))
    told = Means(arms, 100.0, 0.05, 0.05, relative=False)
    assert told.log_e_harm(0.0) == pytest.approx(0.0)


def test_windows_that_scatter_more_than_their_rows_lower_the_evidence() -> None:
    """Rows of a window move together: the scatter between windows counts, not the rows' own."""
    rng = np.random.default_rng(3)
    n = np.full(40, 100.0)
    together = rng.normal(0.2, 1.0, 40)
    arms = Arms(np.zeros(40), n, np.zeros(40), np.full(40, 99.0), n, together, np.full(40, 99.0))
    s, v = sums(arms, 1.0, 0.0)
    explained = np.cumsum(arms.weight**2 * 2.0 / 100.0)[-1]
    assert v[-1] > 20 * explained
    assert abs(s[-1]) / math.sqrt(v[-1]) < 4


# ── The mixture ─────────────────────────────────────────────────────────────────────────────


@given(st.floats(-1e6, 1e6), st.floats(0, 1e9), st.floats(1e-9, 1e9))
def test_the_mixture_is_finite_and_grows_with_the_sum(s: float, v: float, v_opt: float) -> None:
    rho2 = rho2_for(v_opt, 0.05)
    less, more = log_e(np.array([s, s + abs(s) + 1.0]), np.array(v), rho2)
    assert math.isfinite(less) and math.isfinite(more)
    assert more >= less
    if v == 0:
        assert less == more == 0.0


def test_the_mixture_is_worth_one_when_nothing_is_there() -> None:
    """Integrated over normal sums of the variance told, on the border: one."""
    v, rho2 = 50.0, rho2_for(100.0, 0.05)
    z = np.linspace(-12, 12, 20_001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    worth = np.trapezoid(np.exp(log_e(z * math.sqrt(v), np.full_like(z, v), rho2)) * density, z)
    assert worth == pytest.approx(1.0, abs=1e-6)


# ── A window with nothing in it ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [0, 1])
def test_a_window_without_faults_does_not_prove_safety(step: int) -> None:
    """Sixty answers without a fault are nothing, also where normal theory has just begun to rule
    and where a step has just begun: what varies by nothing in a window varies all the same.
    """
    before = [(5940, 119, 60, 3)] * 8  # twice as bad, and just beyond twenty faults
    told = rates([*before, (5940, 119, 60, 0)], [0] * 8 + [step])
    assert not told.rare[-1] and told.rare[:7].all()
    gained = told.log_e_safe(0.1)[-1] - told.log_e_safe(0.1)[-2]
    assert gained < 1.0
    assert told.log_e_safe(0.1)[-1] < 0


def test_a_step_that_begins_without_faults_varies_as_those_before_it() -> None:
    """One empty window would claim that nothing varies, and make the next difference a proof."""
    arms = rates([(5940, 119, 60, 3)] * 8 + [(5940, 119, 60, 0)], [0] * 8 + [1]).arms
    assert arms.spread_b[-1] == pytest.approx(24 / 540 * (1 - 24 / 540), rel=0.15)
    _, v = sums(arms, 1.1, 0.0)
    assert v[-1] - v[-2] > 0.9 * (v[-2] - v[-3]) * 24 / 540 / (3 / 60)


def test_safety_is_hardly_ever_claimed_too_early() -> None:
    """At the margin, looked at after every window of a canary: at most beta, at any look."""
    rng = np.random.default_rng(20130501)
    na, nb, windows = 5940, 60, 200
    xa = rng.binomial(na, 0.02, size=(200, windows)).astype(float)
    xb = rng.binomial(nb, 0.03, size=(200, windows)).astype(float)
    full = np.full(windows, 1.0)
    told = Rates.of(
        np.zeros(windows), na * full, xa, nb * full, xb, planned=1e4, alpha=0.05, beta=0.05
    )
    ever = (told.log_e_safe(0.5) >= math.log(20)).any(axis=-1).mean()
    assert ever <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
