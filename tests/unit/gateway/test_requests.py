"""Requests: everything wrong is named, and nothing doubtful passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.recent import Posted
from deployments.gateway.request import (
    Refusal,
    check_rows,
    read_body,
    read_outcomes,
    read_rows,
)
from deployments.gateway.signature import Column, faults, is_fit

COLUMNS = (Column("x", "double"), Column("n", "long"), Column("t", "string", required=False))
ROW = {"id": "1", "unit": "u", "inputs": {"x": 1.5, "n": 2}}

FITS = [
    ("double", 1, True),
    ("double", None, True),
    ("double", True, False),
    ("double", "1", False),
    ("double", float("nan"), False),
    ("double", 10**400, False),
    ("double", float("inf"), False),
    ("float", 3.4e38, True),
    ("float", 3.5e38, False),
    ("long", 3.0, True),
    ("long", 2.0**63, False),
    ("long", -(2.0**63), True),
    ("long", 3.5, False),
    ("long", None, False),
    ("long", 2**63, False),
    ("integer", 2**31, False),
    ("integer", -(2**31), True),
    ("boolean", 1, False),
    ("string", None, True),
    ("string", 1, False),
    ("datetime", "2013-05-01T00:00:00", True),
    ("datetime", "yesterday", False),
]


@pytest.mark.parametrize(("kind", "value", "fits"), FITS)
def test_types(kind: str, value: Any, fits: bool) -> None:
    assert is_fit(kind, value) is fits


WHO = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "required": True},
        "vip": {"type": "boolean", "required": False},
        "seen": {"type": "map", "values": {"type": "long"}, "required": False},
    },
}
NESTED = (
    Column("tags", "array", within={"type": "array", "items": {"type": "double"}}),
    Column("who", "object", required=False, within=WHO),
)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"tags": []}, []),
        ({"tags": [1, 2.5], "who": None}, []),
        ({"tags": [1], "who": {"name": "Ann", "seen": {"a": 1}}}, []),
        ({"tags": [1, "one"]}, ["tags[1] is not a number or null: 'one'"]),
        ({"tags": "one"}, ["tags is not a list: 'one'"]),
        ({"tags": None}, ["tags is not a list: None"]),
        ({"tags": [1], "who": {"vip": 1}},
         ["who.name is missing", "who.vip is not true or false: 1"]),
        ({"tags": [1], "who": {"name": "Ann", "age": 3}}, ["who.age is unknown"]),
        ({"tags": [1], "who": {"name": "Ann", "seen": {"a": 0.5}}},
         ["who.seen.a is not a whole number: 0.5"]),
    ],
)  # fmt: skip
def test_what_lists_and_objects_hold_is_named_with_its_place(
    row: dict[str, Any], found: list[str]
) -> None:
    assert faults(NESTED, row) == found


WRONG_BODIES = [
    (b"", "no JSON"),
    (b"[]", "no JSON object"),
    (b'{"rows": [{"id": "1", "unit": "u", "inputs": {"x": NaN}}]}', "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b'{"rows": "\\ud800"}', "no JSON"),
    (b'{"rows": [{"id": "1", "unit": "u", "inputs": {}}], "row": 1}', "row is unknown"),
    (b'{"rows": [{"id": "1", "unit": "u", "inputs": {}, "at": 1}]}', "row 0: at is unknown"),
    (b'{"rows": []}', "no rows"),
    (b'{"rows": [1]}', "row 0: is no object"),
    (b'{"rows": [{"id": "1", "inputs": {}}]}', "unit is missing"),
    (b'{"rows": [{"id": 1, "unit": "u", "inputs": {}}]}', "id is missing or no text"),
    (b'{"rows": [{"id": "1", "unit": "u"}]}', "inputs is missing"),
]


@pytest.mark.parametrize(("body", "fault"), WRONG_BODIES)
def test_wrong_bodies(body: bytes, fault: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_rows(read_body(body), 10)
    assert refused.value.status == 400
    assert fault in refused.value.error


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8))
def test_an_id_stands_once_in_a_request(ids: list[str]) -> None:
    """Outcomes are joined by it: every row that repeats one is named, and no other."""
    body = {"rows": [ROW | {"id": id_} for id_ in ids]}
    repeated = [at for at, id_ in enumerate(ids) if id_ in ids[:at]]
    if not repeated:
        assert [row.id for row in read_rows(body, 10)] == ids
        return
    with pytest.raises(Refusal) as refused:
        read_rows(body, 10)
    told = [int(part.split()[1]) for part in refused.value.error.split("; ")]
    assert told == repeated


def test_too_many_rows() -> None:
    with pytest.raises(Refusal, match="too many"):
        read_rows({"rows": [ROW] * 11}, 10)


def test_every_wrong_column_is_named() -> None:
    """Missing, mistyped and unknown ones in one answer, with the row they stand in."""
    rows = read_rows({"rows": [ROW, ROW | {"id": "2", "inputs": {"x": "a", "y": 1}}]}, 10)
    with pytest.raises(Refusal) as refused:
        check_rows(rows, COLUMNS, COLUMNS)
    for fault in ("row 1 (2): x is not", "n is missing", "y is unknown"):
        assert fault in refused.value.error
    assert "row 0" not in refused.value.error


def test_a_column_of_the_candidate_alone_is_known() -> None:
    """A request may already carry what only the candidate asks for."""
    rows = read_rows({"rows": [ROW | {"inputs": {"x": 1, "n": 2, "new": 3}}]}, 10)
    check_rows(rows, COLUMNS, (*COLUMNS, Column("new", "long")))


@pytest.mark.parametrize("label", [None, True, "1", float("inf")])
def test_labels_are_numbers(label: object) -> None:
    body = json.loads(json.dumps({"outcomes": [{"id": "1", "label": label}]}))
    with pytest.raises(Refusal, match="label is no number"):
        read_outcomes(body, 10)


@pytest.mark.parametrize("label", [-1, 0.5, 2, 1e300, 10**400])
def test_labels_say_yes_or_no(label: float) -> None:
    """One label that is neither refuses the request whole, and its row is named."""
    outcomes = [{"id": "a", "label": 0}, {"id": "b", "label": label}, {"id": "c", "label": 1.0}]
    with pytest.raises(Refusal, match=r"outcome 1: label of b is .* neither 0 nor 1") as refused:
        read_outcomes({"outcomes": outcomes}, 10)
    assert refused.value.status == 400
    assert "outcome 0" not in refused.value.error
    assert read_outcomes({"outcomes": outcomes[::2]}, 10) == [
        Posted("a", None, 0.0), Posted("c", None, 1.0)]  # fmt: skip


def test_business_metrics_come_beside_labels() -> None:
    """Any finite number under any well-formed name, in the order in which they were sent."""
    outcomes = [{"id": "a", "metric": "revenue", "value": -12.5}, {"id": "a", "label": 1},
                {"id": "b", "metric": "items_2", "value": 10**15}]  # fmt: skip
    assert read_outcomes({"outcomes": outcomes}, 10) == [
        Posted("a", "revenue", -12.5), Posted("a", None, 1.0), Posted("b", "items_2", 1e15)
    ]  # fmt: skip


WRONG_METRICS = [
    ({"metric": "Revenue", "value": 1}, "no name"),
    ({"metric": "2nd", "value": 1}, "no name"),
    ({"metric": "re venue", "value": 1}, "no name"),
    ({"metric": None, "value": 1}, "no name"),
    ({"metric": "a" * 65, "value": 1}, "no name"),
    ({"metric": "revenue"}, "is no number"),
    ({"metric": "revenue", "value": True}, "is no number"),
    ({"metric": "revenue", "value": "1"}, "is no number"),
    ({"metric": "revenue", "value": float("inf")}, "is no number"),
    ({"metric": "revenue", "value": 10**400}, "is no number"),
    ({"metric": "revenue", "value": 1, "label": 1}, "two outcomes"),
    ({"value": 1}, "no metric"),
    ({"id": "b" * 257, "label": 1}, "more than 256 letters"),
]


@pytest.mark.parametrize(("more", "fault"), WRONG_METRICS)
def test_a_wrong_metric_is_named_with_its_row(more: dict[str, Any], fault: str) -> None:
    """A name nobody can declare, or no finite number: the request is refused whole."""
    outcomes = [{"id": "a", "label": 0}, {"id": "b"} | more]
    with pytest.raises(Refusal, match="outcome 1: ") as refused:
        read_outcomes({"outcomes": outcomes}, 10)
    assert fault in refused.value.error
