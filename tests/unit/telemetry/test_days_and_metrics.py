"""Local days and what the metrics mean."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from policies.errors import RefusedError
from tasks.telemetry.days import closed_days, local_days
from tasks.telemetry.metrics import check_fault, check_loss, loss

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 10, 23), (7, 4, 24), (11, 3, 25)])
def test_days_are_as_long_as_the_clocks_make_them(month: int, day: int, hours: int) -> None:
    """A day lasts 23 hours when the clocks go forward, 25 when they go back."""
    noon = datetime(2013, month, day, 16, tzinfo=UTC)
    ((start, end),) = local_days(noon, noon, "America/New_York")
    assert (end - start) == hours * HOUR


def test_days_follow_one_another_without_gap() -> None:
    """The end of a day is the start of the next: no moment is lost or counted twice."""
    days = local_days(
        datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 12, 1, tzinfo=UTC), "Europe/Berlin"
    )
    assert all(one[1] == other[0] for one, other in pairwise(days))
    assert len(days) == 276


def test_a_day_closes_when_its_last_label_could_have_come() -> None:
    """Not before its end, nor before the horizon of its last moment."""
    noon = datetime(2013, 7, 4, 12, tzinfo=UTC)
    days = local_days(noon, noon, "UTC")
    closes = datetime(2013, 7, 5, 8, tzinfo=UTC)
    assert closed_days(days, 8 * HOUR, closes) == list(days)
    assert closed_days(days, 8 * HOUR, closes - timedelta(microseconds=1)) == []


@pytest.mark.parametrize("zone", ["Nowhere/Atlantis", "", "../etc"])
def test_unknown_zones_are_refused(zone: str) -> None:
    noon = datetime(2013, 7, 4, 12, tzinfo=UTC)
    with pytest.raises(RefusedError):
        local_days(noon, noon, zone)


@pytest.mark.parametrize(
    ("metric", "score", "label", "expected"),
    [
        ("brier", 0.25, 1.0, 0.5625),
        ("log_loss", 0.25, 1.0, -math.log(0.25)),
        ("log_loss", 0.25, 0.0, -math.log(0.75)),
        ("log_loss", 0.0, 1.0, -math.log(1e-15)),
    ],
)
def test_losses(metric: str, score: float, label: float, expected: float) -> None:
    assert loss(metric, score, label) == pytest.approx(expected)


def test_words_nobody_defined_are_refused() -> None:
    """A loss is no fault, and slow needs to know how slow."""
    for check in (lambda: check_loss("error"), lambda: check_fault("brier", None),
                  lambda: check_fault("slow", None)):  # fmt: skip
        with pytest.raises(RefusedError):
            check()
    check_fault("slow", 5.0)
    check_loss("brier")
