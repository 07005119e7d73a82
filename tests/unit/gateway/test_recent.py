"""What the gateway tells of outcomes: odd ones are counted, none is refused, memory is bounded."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deployments.gateway.recent import Posted, Recent, Tally

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def label(id_: str) -> Posted:
    return Posted(id_, None, 1.0)


def test_outcomes_are_told_apart() -> None:
    """Known, unknown, repeated and early ones, in the answer and in the sum of all answers."""
    recent = Recent(100)
    recent.predicted("m", ["a", "b", "c"], NOON)
    posted = [label("a"), label("a"), label("x"), Posted("a", "revenue", 3.0)]
    assert recent.posted("m", posted, LATER) == Tally(4, 3, 1, unknown=1, repeated=1)
    early = recent.posted("m", [label("b")], NOON - timedelta(seconds=1))
    assert early == Tally(1, 1, 0, early=1)
    assert recent.posted("m", [label("c")], NOON) == Tally(1, 1)
    assert recent.total == Tally(6, 5, 1, unknown=1, repeated=1, early=1)


def test_the_same_id_of_another_model_is_another_prediction() -> None:
    recent = Recent(100)
    recent.predicted("m", ["a"], NOON)
    assert recent.posted("other", [label("a")], LATER).unknown == 1
    assert recent.posted("m", [label("a")], LATER) == Tally(1, 1)


def test_a_label_that_came_before_its_prediction_is_counted_when_that_comes() -> None:
    """When it was posted it could only be called unknown."""
    recent = Recent(100)
    assert recent.posted("m", [label("a")], NOON).unknown == 1
    recent.predicted("m", ["a"], LATER)
    assert recent.total.early == 1
    recent.predicted("m", ["a"], LATER)
    assert recent.total.early == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60), st.integers(1, 4))
def test_memory_is_bounded_and_every_outcome_is_accepted(
    events: list[tuple[bool, int]], limit: int
) -> None:
    """Whatever is sent in whatever order: no more ids are kept than the limit allows."""
    recent, sent = Recent(limit), 0
    for is_prediction, number in events:
        if is_prediction:
            recent.predicted("m", [str(number)], NOON)
        else:
            sent += 1
            recent.posted("m", [label(str(number))], LATER)
        assert len(recent._predicted) <= limit and len(recent._posted) <= limit
    assert recent.total.accepted == recent.total.labels == sent
    assert min(asdict(recent.total).values()) >= 0
