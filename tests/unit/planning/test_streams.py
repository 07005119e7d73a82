"""What a simulated release sees: all requests once, and labels when they are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.schema import Guardrail
from policies.vocabulary import WindowPair
from tasks.evidence.sequential import weigh
from tasks.planning.assumed import MONDAY, Given, assume
from tasks.planning.streams import Stream
from tasks.planning.voyage import stream
from tasks.telemetry.adapters.memory import MemoryTelemetry
from tasks.telemetry.ports import UnitMetric, UnitRatio
from tests.unit.planning.planned_policy import COST, ERRORS, QUALITY, SILENCE, planned_policy

POLICY = planned_policy()
SHADOW, CANARY = POLICY.steps()[1:3]
CUTS = st.lists(st.floats(0.1, 95.9), max_size=6)


def drawn(rail_place: int, cuts: list[float], step_place: int, per_hour: float = 137.0) -> Stream:
    policy = planned_policy(QUALITY, ERRORS)
    assumed = assume(policy, Given(per_hour, {"": 0.1}, {"": 0.03}))
    rail = policy.guardrails[rail_place]
    found = stream(policy, rail, assumed, 0.5, np.random.default_rng(3))
    edges = [0.0, *sorted(cuts), 96.0]
    for begin, end in pairwise(edges):
        found.pass_time(begin, end, policy.steps()[step_place])
        found.tell()
    return found


@given(CUTS)
def test_looking_more_often_makes_no_more_requests(cuts: list[float]) -> None:
    """Rows depend on the time that has passed, not on how it was cut; a day is one window."""
    found = drawn(1, cuts, 2)
    windows = found.parts[0].windows
    assert len(windows) == 4
    assert sum(w.champion.n for w in windows if w.champion) == 96 * 137
    assert found.rows_at(CANARY) == round(96 * 137 * 0.05)
    assert all(0 <= w.candidate.events <= w.candidate.n for w in windows if w.candidate)


@given(CUTS)
def test_a_day_counts_when_the_labels_of_its_last_row_are_known(cuts: list[float]) -> None:
    """Its mean is the same whenever it is looked at; labels take a day here."""
    found = drawn(0, cuts, 1)
    seen = []
    for now in (23.9, 47.9, 48.0, 71.9, 72.0, 200.0):
        found.see(now)
        seen.append(len(found.parts[0].windows))
    assert seen == [0, 0, 1, 1, 2, 4]
    whole = drawn(0, [], 1)
    whole.see(200.0)
    means = [[w.paired.mean for w in each.parts[0].windows if w.paired] for each in (found, whole)]
    assert means[0] == means[1]
    assert found.rows_at(SHADOW) == 96 * 137


def test_mirrored_failures_are_counted_where_one_model_alone_failed() -> None:
    """As the telemetry does it in the shadow: fewer of both, by the share that failed together."""
    shadow, canary = (drawn(1, [], place, per_hour=1e5).parts[0].windows[0] for place in (1, 2))
    assert shadow.champion and canary.champion and shadow.candidate
    assert canary.champion.events / canary.champion.n == pytest.approx(0.1, rel=0.02)
    assert shadow.champion.events / shadow.champion.n == pytest.approx(0.1 * 0.89, rel=0.02)
    assert shadow.candidate.events / shadow.candidate.n == pytest.approx(0.11 * 0.9, rel=0.02)


def by_users(rail: Guardrail, users: float = 40.0) -> list[WindowPair]:
    """Two days at each of all steps; labels take a day."""
    policy = planned_policy(QUALITY, rail)
    told = Given(500.0, {"silence": 0.6}, {}, {"": 0.5}, users)
    if rail.metric != "missing":
        told = replace(told, base_rates={})
    found = stream(policy, policy.guardrails[1], assume(policy, told), 0.5,
                   np.random.default_rng(3))  # fmt: skip
    for place, step in enumerate(policy.steps()[1:]):
        found.pass_time(place * 48.0, place * 48.0 + 48.0, step)
        assert found.rows_at(step) is None, "users are no answers"
    found.see(1000.0)
    found.tell()
    return found.parts[0].windows


def test_users_without_a_value_are_counted_where_they_are_split() -> None:
    """Each arm's own users of a day, and nobody once all are answered by the candidate."""
    windows = by_users(SILENCE)
    assert [(w.start.day, w.step) for w in windows] == [(3, "canary 5 %"), (4, "canary 5 %")]
    arms = [(w.champion, w.candidate) for w in windows]
    assert [(a.n, b.n) for a, b in arms if a and b] == [(912, 48), (912, 48)]
    assert sum(a.events for a, _ in arms if a) / 1824 == pytest.approx(0.6, abs=0.04)
    nobody = by_users(SILENCE, 1e-3)
    assert nobody == [], "where nobody posted anything there is no window"


def test_a_ratio_is_taken_from_the_champion_alone_before_users_are_split() -> None:
    """One value over one for every user, from the shadow on."""
    windows = by_users(COST)
    assert [w.step for w in windows] == ["shadow"] * 2 + ["canary 5 %"] * 2
    arms = [(w.champion_pairs, w.candidate_pairs) for w in windows]
    assert [(a.n, b.n) for a, b in arms if a and b] == [(960, 0)] * 2 + [(912, 48)] * 2
    for window in windows:
        WindowPair.model_validate(window.model_dump())
    champion, candidate = arms[-1]
    assert champion and candidate
    assert champion.mean_y == pytest.approx(1.0, abs=0.06)
    assert champion.m2_y / 911 == pytest.approx(0.25, rel=0.2)
    assert (champion.mean_x, champion.m2_x, champion.c_xy) == (1.0, 0.0, 0.0)


def test_the_first_users_of_a_ratio_are_spent_on_it() -> None:
    """Where the champion was not seen alone before, the first day shows nothing, as in a release;
    the second one does."""
    policy = planned_policy(QUALITY, COST)
    rail, canary = policy.guardrails[1], policy.steps()[2]
    given = Given(500.0, {}, {}, {"cost": 0.5})
    found = stream(policy, rail, assume(policy, given), 20.0, np.random.default_rng(3))
    found.pass_time(0.0, 48.0, canary)
    for now, told in ((48.0, 0.0), (72.0, 50.0)):
        found.see(now)
        harm = weigh(rail, found.parts[0].windows, policy.budget).log_e_harm or 0.0
        (most,) = found.harm_at_most(0)
        assert told <= harm <= most
        assert most == told or told


def test_windows_have_the_shape_that_the_telemetry_gives_them() -> None:
    """Beside the memory adapter's of a small world: the same fields, and the same steps."""
    rows = [
        event("1", "ann", "champion", "shadow", 0, 1),
        event("2", "bob", "champion", "canary 5 %", 500, 3),
        event("3", "cem", "candidate", "canary 5 %", 500, 3),
        event("4", "dee", "candidate", "full", 10_000, 5),
    ]
    values = [{"model": "m", "id": str(n), "metric": "cost", "value": 2.0, "at": rows[n - 1]["at"]}
              for n in (1, 2, 3)]  # fmt: skip
    telemetry = MemoryTelemetry(predictions=rows, metrics=values)
    asked = {"now": MONDAY + timedelta(days=20), "time_zone": "UTC"}
    own = {"horizon_hours": 24.0, "cap": 9.0, "without_value": "zero"}
    ratio = telemetry.ratio_windows(
        "r", UnitRatio.model_validate({"name": "cost", "per": None, **own}), **asked
    )
    missing = telemetry.missing_windows(
        "r", UnitMetric.model_validate({"name": "cost", **own}), **asked
    )
    for rail, told in ((COST, ratio), (SILENCE, missing)):
        drawn_, real = by_users(rail), list(told)
        assert {w.step for w in real} == {w.step for w in drawn_}
        assert fields(real) == fields(drawn_)


def fields(windows: list[WindowPair]) -> set[str]:
    return {name for each in windows for name, value in each.model_dump().items() if value}


def event(row_id: str, unit: str, arm: str, step: str, weight_bp: int, day: int) -> dict[str, Any]:
    at = MONDAY + timedelta(days=day, hours=12)
    return {"at": at.isoformat(timespec="microseconds"), "model": "m", "release": "r",
            "id": row_id, "unit": unit, "arm": arm, "served": True, "step": step,
            "weight_bp": weight_bp, "score": 0.5, "error": None, "latency_ms": 5.0}  # fmt: skip
