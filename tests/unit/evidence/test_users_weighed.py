"""Business metrics whose unit is the user."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from policies.schema import Budget, Guardrail
from policies.vocabulary import Evidence, Moments, WindowPair
from tasks.evidence.sequential import weigh
from tasks.evidence.summary import moments_of

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=20)
MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)
ENOUGH = 2.9957  # log 20


def weighed(windows: list[WindowPair], **more: object) -> Evidence:
    fields = {
        "name": "basket", "kind": "mean", "metric": "business", "name_of_metric": "basket",
        "direction": "up", "cap": 100.0, "without_value": "zero", "margin": 0.1,
        "rollback_at": 0.02, "weight": 1.0, "information": 4000, "unit": "user", "relative": True,
        "why": "test",
    }  # fmt: skip
    return weigh(Guardrail.model_validate(fields | more), windows, BUDGET)


def days(count: int, gain: float, users: int = 150, seed: int = 1) -> list[WindowPair]:
    """Baskets around ten, the candidate's by ``gain`` larger; a tenth of its users on the way."""
    draw = random.Random(seed)
    return [
        WindowPair(
            start=MIDNIGHT + timedelta(days=n),
            step="canary 10 %",
            champion_units=_baskets(draw, 10.0, 9 * users),
            candidate_units=_baskets(draw, 10.0 * (1 + gain), users),
        )
        for n in range(count)
    ]


def _baskets(draw: random.Random, mean: float, users: int) -> Moments:
    return moments_of([draw.gauss(mean, 5.0) for _ in range(users)])


def test_users_who_spend_as_much_are_shown_within_days() -> None:
    """By the day it would take weeks: twenty clusters before anything is claimed."""
    found = weighed(days(12, 0.0))
    assert found.status == "ok" and (found.log_e_safe or 0.0) > ENOUGH > (found.log_e_harm or 0.0)
    assert (found.clusters, found.unit) == (1800, "users")
    assert found.lower is not None and found.upper is not None
    assert found.lower < (found.effect or 0.0) < found.upper <= 0.1
    by_day = weighed(days(12, 0.0), unit="day", relative=False, margin=1.0, rollback_at=0.2)
    assert (by_day.status, by_day.clusters) == ("scarce", 12)


@pytest.mark.parametrize(("direction", "gain"), [("up", -0.2), ("down", 0.2)])
def test_a_fifth_the_wrong_way_is_harm_in_either_direction(direction: str, gain: float) -> None:
    found = weighed(days(4, gain), direction=direction)
    assert (found.log_e_harm or 0.0) > ENOUGH > 0 > (found.log_e_safe or 0.0)
    assert found.effect == pytest.approx(0.2, abs=0.05)
    assert found.lower is not None and found.lower > 0.02


@pytest.mark.parametrize("relative", [True, False])
def test_a_bound_is_a_share_or_the_metric_s_own_unit(relative: bool) -> None:
    """A tenth of ten is one."""
    own = {} if relative else {"margin": 1.0, "rollback_at": 0.2, "information": 40}
    found = weighed(days(12, 0.0), relative=relative, **own)
    assert (found.log_e_safe or 0.0) > ENOUGH


def test_nobody_and_a_few_are_scarce() -> None:
    assert weighed([]).status == "scarce"
    found = weighed(days(1, -0.5, users=20))
    assert (found.status, found.log_e_harm, found.log_e_safe) == ("scarce", 0.0, 0.0)


def test_equal_baskets_without_spread_show_nothing() -> None:
    """Everybody spends exactly the same: of chance nothing is known."""
    flat = [
        w.model_copy(update={"champion_units": Moments(n=500, mean=10.0),
                             "candidate_units": Moments(n=500, mean=10.0)})
        for w in days(3, 0.0, users=5)
    ]  # fmt: skip
    found = weighed(flat)
    assert (found.log_e_harm, found.log_e_safe) == (0.0, 0.0)
