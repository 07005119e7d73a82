"""Feature and score parity between offline and online."""

from __future__ import annotations

import math
from typing import Any

import pytest

from policies.errors import EvidenceError
from policies.schema import Parity
from tasks.evaluation.parity import feature_parity, score_parity

RULES = Parity(feature_share_moved=0.001, score_tolerance=0.01, score_share_moved=0.02)
OFFLINE: list[dict[str, Any]] = [
    {"temp": 50.0 + i, "dest": "ATL", "hour": i, "rain": None, "night": i > 5} for i in range(10)
]


def changed(**columns: Any) -> list[dict[str, Any]]:
    return [row | columns for row in OFFLINE]


def test_without_reference_rows_parity_is_not_shown() -> None:
    """Nothing to compare holds: it never passes."""
    assert feature_parity(RULES, [], []).status == "scarce"
    assert feature_parity(RULES, [{}], [{}]).status == "scarce"
    assert score_parity(RULES, [], []).status == "scarce"


def test_a_model_that_cannot_tell_its_features_holds() -> None:
    """Parity that was not shown is too little to say, with the reason in words."""
    found = feature_parity(RULES, OFFLINE, None)
    assert (found.status, found.effect) == ("scarce", None)
    assert "cannot tell" in found.detail


def test_equal_features_agree() -> None:
    """The same frame agrees, also after a trip through JSON (NaN becomes null, 1 becomes 1.0)."""
    offline = [row | {"rain": math.nan, "hour": float(row["hour"])} for row in OFFLINE]
    found = feature_parity(RULES, offline, OFFLINE)
    assert (found.effect, found.detail) == (0.0, "Every feature agrees.")


def test_a_changed_unit_is_found_and_told() -> None:
    """Metric units where training had imperial ones: the column and both means are named."""
    online = [row | {"temp": (row["temp"] - 32) / 1.8} for row in OFFLINE]
    found = feature_parity(RULES, OFFLINE, online)
    assert found.effect == pytest.approx(1 / 5)
    assert "temp: 100.0% of rows differ, offline mean 54.5, online mean 12.5" in found.detail


@pytest.mark.parametrize("online", [changed(temp=None), changed(temp=math.nan), changed(temp="x")])
def test_a_value_that_is_gone_online_is_a_difference(online: list[dict[str, Any]]) -> None:
    """A leaked column that serving cannot know shows as missing."""
    found = feature_parity(RULES, OFFLINE, online)
    assert found.effect == pytest.approx(1 / 5)
    assert found.detail.startswith("temp: 100.0%")


def test_a_column_missing_or_new_online_is_a_difference() -> None:
    """Another set of columns is another model input."""
    gone = [{k: v for k, v in row.items() if k != "temp"} for row in OFFLINE]
    assert feature_parity(RULES, OFFLINE, gone).effect == pytest.approx(1 / 5)
    assert "online missing" in feature_parity(RULES, OFFLINE, gone).detail
    assert feature_parity(RULES, OFFLINE, changed(extra=1)).effect == pytest.approx(1 / 6)


@pytest.mark.parametrize(("factor", "differs"), [(1 + 1e-9, False), (1 + 1e-5, True)])
def test_the_tolerance_is_relative(factor: float, differs: bool) -> None:
    """Rounding in transport is no difference; a real change of a part in 100,000 is."""
    online = [row | {"temp": row["temp"] * factor} for row in OFFLINE]
    assert bool(feature_parity(RULES, OFFLINE, online).effect) is differs


def test_another_number_of_answers_is_an_error() -> None:
    """Rows that cannot be matched are malformed evidence."""
    with pytest.raises(EvidenceError):
        feature_parity(RULES, OFFLINE, OFFLINE[1:])
    with pytest.raises(EvidenceError):
        score_parity(RULES, [0.5, 0.5], [0.5])


def test_score_parity_counts_scores_that_moved() -> None:
    """Within the tolerance is the same; further, missing and NaN are differences."""
    found = score_parity(RULES, [0.5] * 4, [0.505, 0.52, None, math.nan])
    assert found.effect == pytest.approx(3 / 4)
    assert "2 rows without a sound answer" in found.detail


def test_a_reference_score_that_is_no_number_is_an_error() -> None:
    """A broken reference is not held against the candidate."""
    with pytest.raises(EvidenceError):
        score_parity(RULES, [math.nan], [0.5])


def test_nothing_answered_fails() -> None:
    """A model that answered no reference row at all has full difference."""
    assert score_parity(RULES, [0.5], [None]).effect == 1.0


@pytest.mark.parametrize(
    ("offline", "online", "differ"),
    [
        ("2030-01-01T02:00:00+02:00", "2030-01-01T00:00:00", False),
        ("2030-01-01T02:00:00", "2030-01-01T00:00:00", True),
        ("2030-01-01", "first of January", True),
        ([0.1, {"a": 1}], [0.10000000149, {"a": 1.0}], False),
        ([1.0], [1.0, 2.0], True),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
    ],
)
def test_times_lists_and_objects_are_compared_by_what_they_mean(
    offline: object, online: object, differ: bool
) -> None:
    """Another spelling of the same moment, or the last digits within a list, are no difference."""
    found = feature_parity(RULES, [{"f": offline}], [{"f": online}])
    assert found.effect == float(differ)
