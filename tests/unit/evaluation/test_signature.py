"""Whether today's requests can feed the candidate."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.evaluation.signature import input_compatibility

CHAMPION = {"dest": "string", "temp": "double", "hour": "long", "night": "boolean"}
REQUEST: dict[str, Any] = {"dest": "ATL", "temp": 50.5, "hour": 7, "night": True}


def test_nothing_to_compare_with_is_scarce() -> None:
    """Neither requests nor a champion: too little to say, never a pass."""
    assert input_compatibility(None, CHAMPION, []).status == "scarce"


def test_a_candidate_without_inputs_fails() -> None:
    """A signature that names nothing promises nothing."""
    assert input_compatibility(CHAMPION, {}, [REQUEST]).effect == 1.0


def test_the_same_signature_fits() -> None:
    """Requests that feed the champion feed a candidate with the same inputs."""
    assert input_compatibility(CHAMPION, CHAMPION, [REQUEST]).effect == 0.0
    assert input_compatibility(None, CHAMPION, [REQUEST]).effect == 0.0


def test_a_column_that_requests_do_not_carry_is_a_fault() -> None:
    """The leaked column of a training table is found before it is missed."""
    found = input_compatibility(CHAMPION, CHAMPION | {"dep_delay": "double"}, [REQUEST])
    assert found.effect == 1.0
    assert "dep_delay is missing in 1 of 1 requests" in found.detail


def test_without_requests_a_new_column_is_a_fault() -> None:
    """The champion's signature stands for the requests that nobody has seen yet."""
    found = input_compatibility(CHAMPION, CHAMPION | {"dep_delay": "double"}, [])
    assert (found.effect, found.detail) == (1.0, "dep_delay is new.")


@pytest.mark.parametrize(
    ("column", "wanted", "request_value", "faults"),
    [
        ("hour", "double", 7, 0),  # wider: every whole number fits
        ("temp", "long", 50.5, 2),  # narrower: type changed, and values do not fit
        ("dest", "double", "ATL", 2),
        ("hour", "long", None, 0),  # a null is for the data contract
        ("hour", "long", True, 1),  # a boolean is no number
        ("temp", "double", 50, 0),
    ],
)
def test_types_that_changed(column: str, wanted: str, request_value: Any, faults: int) -> None:
    """A wider type is compatible; another type and values that do not fit are faults."""
    found = input_compatibility(
        CHAMPION, CHAMPION | {column: wanted}, [REQUEST | {column: request_value}]
    )
    assert found.effect == float(faults), found.detail


def test_an_optional_column_may_be_left_out() -> None:
    """But what it carries must fit, and a list is no text."""
    candidate = CHAMPION | {"tags": "array", "who": "object"}
    found = input_compatibility(CHAMPION, candidate, [REQUEST], ("tags", "who"))
    assert found.effect == 0.0
    wrong = REQUEST | {"tags": "a", "who": {"name": "x"}}
    told = input_compatibility(CHAMPION, candidate, [wrong], ("tags", "who"))
    assert (told.effect, told.detail) == (1.0, "tags is no array in 1 of 1 requests.")
