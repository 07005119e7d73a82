"""Two sums of each user as one ratio: cost a request, items an order."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Evidence, PairMoments, WindowPair
from tasks.evidence.ratios import Ratios
from tasks.evidence.sequential import weigh
from tasks.evidence.summary import NO_PAIRS, merge_pairs, pairs_of

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=20)
MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)
ENOUGH = 2.9957  # log 20
CANARY = "canary 10 %"


def rail(**more: object) -> Guardrail:
    fields = {
        "name": "cost", "kind": "ratio", "metric": "business", "name_of_metric": "cost",
        "per": "requests", "direction": "down", "cap": 1e4, "without_value": "zero",
        "margin": 0.2, "rollback_at": 0.05, "weight": 1.0, "information": 3000, "unit": "user",
        "relative": True, "why": "test",
    }  # fmt: skip
    return Guardrail.model_validate(fields | more)


def users(draw: random.Random, count: int, cost: float, requests: float = 6.0) -> PairMoments:
    """Everybody asks some times, some dearly; what a request costs is alike for one user."""
    told = []
    for _ in range(count):
        asked = 1 + round(draw.expovariate(1 / requests))
        told.append((float(asked), asked * cost * draw.lognormvariate(-0.125, 0.5)))
    return pairs_of(told)


@cache
def days(dearer: float, count: int = 12, seed: int = 1, asks: float = 6.0) -> list[WindowPair]:
    """Three days of the champion alone, then the candidate with a tenth of the users."""
    draw = random.Random(seed)
    shadow = [_window(n, "shadow", users(draw, 300, 0.02), NO_PAIRS) for n in range(3)]
    return shadow + [
        _window(3 + n, CANARY, users(draw, 900, 0.02),
                users(draw, 100, 0.02 * (1 + dearer), asks))
        for n in range(count)
    ]  # fmt: skip


def _window(day: int, step: str, champion: PairMoments, candidate: PairMoments) -> WindowPair:
    start = MIDNIGHT + timedelta(days=day)
    return WindowPair(start=start, step=step, champion_pairs=champion, candidate_pairs=candidate)


def weighed(windows: list[WindowPair], **more: object) -> Evidence:
    return weigh(rail(**more), windows, BUDGET)


def test_nothing_seen_is_scarce() -> None:
    """No windows; nobody but the champion; nobody to take a ratio from: never good evidence."""
    alone = days(0.0)[:3]
    few = [_window(0, CANARY, pairs_of([(1.0, 2.0)]), pairs_of([(1.0, 2.0)]))]
    nothing_below = [_window(n, CANARY, pairs_of([(0.0, 2.0)] * 500), pairs_of([(0.0, 2.0)] * 500))
                     for n in range(5)]  # fmt: skip
    for windows in ([], alone, few, nothing_below):
        found = weighed(windows)
        assert (found.status, found.log_e_harm, found.log_e_safe) == ("scarce", 0.0, 0.0)


def test_as_dear_is_shown_and_half_as_much_again_is_harm() -> None:
    found = weighed(days(0.0))
    assert found.status == "ok" and (found.log_e_safe or 0.0) > ENOUGH > (found.log_e_harm or 0.0)
    assert (found.clusters, found.unit, found.n) == (1200, "users", 1200)
    assert "linearised at 0.0" in found.method
    harm = weighed(days(0.5))
    assert (harm.log_e_harm or 0.0) > ENOUGH > (harm.log_e_safe or 0.0)
    assert harm.effect == pytest.approx(0.5, abs=0.15)
    assert harm.lower is not None and 0.05 < harm.lower < 0.5


def test_a_candidate_that_is_asked_more_costs_no_more_a_request() -> None:
    """Twice the requests at twice the cost is the same ratio, and no harm."""
    found = weighed(days(0.0, asks=12.0))
    assert (found.log_e_harm or 0.0) < 1.0
    assert abs(found.effect or 1.0) < 0.2


@pytest.mark.parametrize(("direction", "dearer"), [("down", 0.6), ("up", -0.6)])
@pytest.mark.parametrize("relative", [True, False])
def test_worse_is_harm_in_either_direction_and_by_either_bound(
    direction: str, dearer: float, *, relative: bool
) -> None:
    bounds = {} if relative else {"margin": 0.004, "rollback_at": 0.001, "information": 1e7}
    windows = days(dearer)
    found = weighed(windows, direction=direction, relative=relative, **bounds)
    assert (found.log_e_harm or 0.0) > ENOUGH and (found.effect or 0.0) > 0.0
    other = {"down": "up", "up": "down"}[direction]
    better = weighed(windows, direction=other, relative=relative, **bounds)
    assert (better.log_e_safe or 0.0) > ENOUGH > (better.log_e_harm or 0.0)


def test_the_variance_is_that_of_the_delta_method() -> None:
    """Deng, Knoblich and Lu (2018): of the ratio of two means, clustered by user."""
    draw = random.Random(7)
    champion, candidate = users(draw, 4000, 0.02), users(draw, 4000, 0.02)
    ratios = Ratios.of(rail(), champion, [(CANARY, champion, candidate)])
    r, n = champion.mean_y / champion.mean_x, champion.n
    s_yy, s_xx, s_xy = (value / (n - 1) for value in (champion.m2_y, champion.m2_x, champion.c_xy))
    delta = (s_yy - 2 * r * s_xy + r * r * s_xx) / champion.mean_x**2 / n
    arms, _ = ratios.linear(0.0)
    assert float(arms.spread_a[-1]) / champion.mean_x**2 / n == pytest.approx(delta, rel=1e-9)
    assert ratios.ratio == r


def test_the_windows_spent_on_the_ratio_are_not_weighed() -> None:
    """Without a shadow the first live days are: what fixes the scale cannot be judged by it."""
    live = days(0.5)[3:]
    assert weighed(live).n == 1200 - 100
    assert weighed(days(0.5)).n == 1200


@given(scale=st.floats(1e-3, 1e6), below=st.floats(1e-3, 1e3))
def test_what_a_cost_is_counted_in_changes_nothing(scale: float, below: float) -> None:
    """Cents or dollars, requests or thousands of them: the same evidence."""

    def scaled(part: PairMoments) -> PairMoments:
        return PairMoments(n=part.n, mean_x=part.mean_x * below, mean_y=part.mean_y * scale,
                           m2_x=part.m2_x * below**2, m2_y=part.m2_y * scale**2,
                           c_xy=part.c_xy * below * scale)  # fmt: skip

    windows = [
        w.model_copy(update={"champion_pairs": scaled(w.champion_pairs or NO_PAIRS),
                             "candidate_pairs": scaled(w.candidate_pairs or NO_PAIRS)})
        for w in DEARER
    ]  # fmt: skip
    one, other = weighed(DEARER), weighed(windows)
    assert one.log_e_harm == pytest.approx(other.log_e_harm, rel=1e-6, abs=1e-6)
    assert one.effect == pytest.approx(other.effect, rel=1e-6, abs=1e-9)


DEARER = days(0.15, count=4)
VALUES = st.lists(st.tuples(st.floats(0, 100), st.floats(-100, 100)), max_size=8)


@given(one=VALUES, two=VALUES)
def test_pairs_add_in_any_order(
    one: list[tuple[float, float]], two: list[tuple[float, float]]
) -> None:
    whole, back = pairs_of([*one, *two]), merge_pairs(pairs_of(two), pairs_of(one))
    for field in ("mean_x", "mean_y", "m2_x", "m2_y", "c_xy"):
        assert getattr(whole, field) == pytest.approx(getattr(back, field), rel=1e-9, abs=1e-6)
    assert whole.n == back.n == len(one) + len(two)


def test_windows_split_in_two_and_in_any_order_say_the_same() -> None:
    windows = days(0.15, count=5)
    draw = random.Random(3)
    halves = [*windows, _window(4, CANARY, users(draw, 50, 0.02), users(draw, 40, 0.02))]
    shuffled = draw.sample(halves, len(halves))
    assert weighed(halves) == weighed(shuffled)


@pytest.mark.parametrize(
    ("arm", "told"),
    [
        (None, "lacks the two sums"),
        (PairMoments.model_construct(n=2, mean_x=math.nan, mean_y=0.0, m2_x=0.0, m2_y=0.0,
                                     c_xy=0.0), "mean=nan"),
        (PairMoments.model_construct(n=2, mean_x=1.0, mean_y=1.0, m2_x=-1.0, m2_y=0.0,
                                     c_xy=0.0), "M2=-1.0"),
        (PairMoments(n=2, mean_x=1.0, mean_y=1.0, m2_x=1.0, m2_y=1.0, c_xy=2.0), "not allow"),
    ],
)  # fmt: skip
def test_sums_that_cannot_be_are_refused(arm: PairMoments | None, told: str) -> None:
    odd = WindowPair(start=MIDNIGHT, step=CANARY).model_copy(
        update={"champion_pairs": NO_PAIRS, "candidate_pairs": arm}
    )
    with pytest.raises(EvidenceError, match=told):
        weighed([odd])
