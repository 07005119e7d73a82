"""Copies of the champion on real days."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from policies.vocabulary import Moments
from tests.statistical.flights import likeness, measure, worlds
from tests.statistical.setting import SETTING


def test_a_release_begins_on_any_day_and_meets_each_day_once() -> None:
    """As they came, from some day on; every other world is drawn in blocks instead."""
    days = [{"": Moments(n=10, mean=float(day), m2=9.0)} for day in range(30)]
    found = [[day[""].mean for day in world] for world in worlds([days], 40, SETTING.seed)]
    starts = {world[0] for world in found[::2]}
    assert len(starts) > 10
    assert all((b - a) % 30 == 1 for world in found[::2] for a, b in pairwise(world))
    assert all(len(world) > 30 for world in found[1::2])


def test_days_that_differ_more_than_their_rows_are_seen() -> None:
    """Means one apart, where ten rows of variance one would scatter by a third."""
    days = [{"": Moments(n=10, mean=float(day % 2), m2=9.0)} for day in range(40)]
    assert likeness([days]) == pytest.approx(2.56, rel=0.05)


@pytest.mark.slow
def test_copies_of_the_champion_are_hardly_ever_rolled_back(tmp_path: Path) -> None:
    assert measure(tmp_path, 40, 2, SETTING.seed).kept
