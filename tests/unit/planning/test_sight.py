"""What a step is said to see of a guardrail, and what it is not asked."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest

from policies.schema import Gap, ReleasePolicy
from tasks.evidence.day_mixture import summarise_days
from tasks.planning.assumed import Given, assume
from tasks.planning.expected import Subject, Track, expected
from tasks.planning.sight import Sight, sights
from tests.unit.planning.planned_policy import (
    COST,
    ERRORS,
    GAP_OF_TWO,
    QUALITY,
    SILENCE,
    planned_policy,
)

GIVEN = Given(400.0, {"silence": 0.6, "errors": 0.02}, {"": 0.02}, {"cost": 0.8})
OF_GAP = "quality · gap of each group"


def seen(policy: ReleasePolicy, given: Given, name: str) -> dict[str, Sight]:
    assumed = assume(policy, given)
    alone = tuple(rail for rail in policy.guardrails if name.startswith(rail.name))
    policy = policy.model_copy(update={"guardrails": alone})
    found = sights(policy, assumed, {"shadow": 14.0, "canary 5 %": 14.0})
    return {each.step: each for each in found if each.guardrail == name}


def of_gap(spread: float, **changed: object) -> dict[str, Sight]:
    gap = (GAP_OF_TWO.gap or Gap.model_construct()).model_copy(update=changed)
    policy = planned_policy(GAP_OF_TWO.model_copy(update={"gap": gap}))
    return seen(policy, Given(400.0, {}, {"": 0.02, "quality gap": spread}), OF_GAP)


NARROW = cache(lambda: of_gap(0.04, reported=("x",)))  # the other one is waited for


def test_a_gap_has_a_row_at_every_step_with_its_own_margin() -> None:
    """No stage widens it, and a gap that scatters twice as much is seen half as well."""
    narrow, wide = NARROW(), of_gap(0.08)
    assert [each.asks for each in narrow.values()] == [0.05] * 4
    for step in ("shadow", "soak"):
        one, two = narrow[step], wide[step]
        assert one.shows and two.shows and one.finds and two.finds
        assert two.shows / one.shows == pytest.approx(2.0, rel=0.1)
        assert (two.finds - 0.02) / (one.finds - 0.02) == pytest.approx(2.0, rel=0.1)


def test_a_group_with_too_few_rows_shows_nothing_and_its_harm_is_found() -> None:
    """As the evidence of a gap is told: people who are harmed do not wait until they are many.
    One that is only told is asked nothing."""
    few = of_gap(0.04, min_rows=10**6, reported=("x", "y"))["shadow"]
    assert (few.asks, few.shows) == (None, None)
    assert few.finds == NARROW()["shadow"].finds


def test_users_are_seen_from_the_canary_on() -> None:
    """More of them show more; nothing is asked in the shadow, where the champion alone answers."""
    policy = planned_policy(QUALITY, ERRORS, COST, SILENCE)
    for name in ("cost", "silence"):
        few, many = (seen(policy, replace(GIVEN, per_hour=n), name) for n in (400.0, 1600.0))
        assert list(few) == ["canary 5 %", "full", "soak"]
        one, four = few["canary 5 %"], many["canary 5 %"]
        assert one.shows and four.shows and one.finds and four.finds
        assert four.shows < 0.7 * one.shows
        assert four.finds < one.finds


def test_days_of_a_rate_differ_as_their_counts_would_make_them() -> None:
    """Counts that are the same every day would let a day speak for a month."""
    policy = planned_policy(QUALITY, ERRORS)
    subject = Subject(policy, assume(policy, Given(400.0, {"": 0.02})), ERRORS)
    track = Track().longer(policy.steps()[2], 40.0)
    days = [(w.champion, w.candidate) for w in expected(subject, track, 0.0, 0.0, live=True)]
    rates = [b.events / b.n - a.events / a.n for a, b in days if a and b]
    found = summarise_days(rates, [1.0] * 40, 7)
    chance = 0.02 * 0.98 * (1 / 9600 + 1 / 480)
    assert found.m2 / 40 == pytest.approx(chance, rel=0.25)
    assert abs(found.mean) < 0.2 * math.sqrt(chance)
