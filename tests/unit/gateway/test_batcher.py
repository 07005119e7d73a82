"""Batches: everybody gets their own answers, calls are merged, the queue has an end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from threading import Event

import pytest

from deployments.gateway.batcher import Batcher, Busy
from deployments.gateway.model import Answer, Row


class Gate:
    """A scorer that waits until it is let go, and remembers the size of its calls."""

    def __init__(self) -> None:
        self.open, self.entered = Event(), Event()
        self.sizes, self.mirrored = list[int](), list[bool]()

    def __call__(self, rows: Sequence[Row], *, mirrored: bool = False) -> list[Answer]:
        self.sizes.append(len(rows))
        self.mirrored.append(mirrored)
        self.entered.set()
        self.open.wait(5)
        return [Answer(row["x"]) for row in rows]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def batcher(gate: Gate) -> Iterator[Batcher]:
    batcher = Batcher("test", gate, batch_rows=5, waiting_rows=8)
    yield batcher
    gate.open.set()
    batcher.stop()


def rows(*numbers: float) -> list[Row]:
    return [{"x": number} for number in numbers]


def submit(
    batcher: Batcher, asked: Sequence[Row], *, mirrored: bool = False
) -> Future[list[Answer]]:
    future: Future[list[Answer]] = Future()
    batcher.put(asked, future.set_result, mirrored=mirrored)
    return future


def test_waiting_requests_share_a_call_and_get_their_own_answers(
    gate: Gate, batcher: Batcher
) -> None:
    first = submit(batcher, rows(0.1))
    gate.entered.wait(5)
    others = [submit(batcher, rows(number, number)) for number in (0.2, 0.3, 0.4)]
    gate.open.set()
    assert first.result(5) == [Answer(0.1)]
    for number, future in zip((0.2, 0.3, 0.4), others, strict=True):
        assert future.result(5) == [Answer(number)] * 2
    assert gate.sizes == [1, 4, 2]  # at most five rows a call, never half a request


def test_what_is_only_mirrored_travels_by_itself(gate: Gate, batcher: Batcher) -> None:
    """Never in one call with what somebody waits for, and after it."""
    submit(batcher, rows(0.1))
    gate.entered.wait(5)
    asked = [submit(batcher, rows(0.2), mirrored=each) for each in (False, True, True, False)]
    gate.open.set()
    assert [each.result(5) for each in asked] == [[Answer(0.2)]] * 4
    assert (gate.sizes, gate.mirrored) == ([1, 2, 2], [False, False, True])


def test_the_queue_has_an_end(gate: Gate, batcher: Batcher) -> None:
    """What does not fit is refused at once, and there is room again afterwards."""
    held = submit(batcher, rows(0.1))
    gate.entered.wait(5)
    more = submit(batcher, rows(*[0.2] * 7))
    with pytest.raises(Busy):
        submit(batcher, rows(0.3))
    gate.open.set()
    assert len(held.result(5)) + len(more.result(5)) == 8
    while batcher.waiting:
        pass
    assert submit(batcher, rows(0.3)).result(5) == [Answer(0.3)]


def test_a_large_request_alone_is_taken(gate: Gate, batcher: Batcher) -> None:
    gate.open.set()
    assert len(submit(batcher, rows(*[0.1] * 20)).result(5)) == 20


def test_stopping_answers_what_waits_and_takes_no_more(gate: Gate, batcher: Batcher) -> None:
    held = submit(batcher, rows(0.1))
    batcher.stop()
    with pytest.raises(Busy):
        submit(batcher, rows(0.2))
    gate.open.set()
    assert held.result(5) == [Answer(0.1)]


def test_who_gave_up_disturbs_nobody(gate: Gate, batcher: Batcher) -> None:
    """Nor does an answer for an event loop that has ended; the others get theirs."""

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await batcher.ask(rows(0.1), seconds=0.01)

    asyncio.run(impatient())
    gate.open.set()
    assert asyncio.run(batcher.ask(rows(0.2), seconds=5)) == [Answer(0.2)]
