"""What a simulated release sees: all requests once, and labels when they are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.planning.assumed import Given, assume
from tasks.planning.streams import Stream
from tasks.planning.voyage import stream
from tests.unit.planning.planned_policy import ERRORS, QUALITY, planned_policy

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
