"""Rows of requests that wait at the same time travel in one call.

One thread a variant. While it is in a call others queue up, and the next call takes them all:
a busy model gets larger batches, an idle one adds no delay. Rows that are only mirrored and rows
that somebody waits for never share a call where they are told apart; those that somebody waits for
go first. The queue is bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Condition, Thread
from typing import NamedTuple, Protocol

from deployments.gateway.model import Answer, Row


class Score(Protocol):
    def __call__(self, rows: Sequence[Row], *, mirrored: bool = False) -> list[Answer]: ...


class Waiting(NamedTuple):
    rows: Sequence[Row]
    mirrored: bool
    tell: Callable[[list[Answer]], object]


class Busy(Exception):
    """Too many rows wait already."""


class Batcher:
    def __init__(self, name: str, score: Score, *, batch_rows: int, waiting_rows: int) -> None:
        self._score = score
        self._batch_rows = batch_rows
        self._waiting_rows = waiting_rows
        self._queues: tuple[deque[Waiting], deque[Waiting]] = (deque(), deque())  # mirrored last
        self._rows = 0
        self._changed = Condition()
        self._stopped = False
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait, those in the present call included."""
        return self._rows

    async def ask(
        self, rows: Sequence[Row], *, mirrored: bool = False, seconds: float | None = None
    ) -> list[Answer]:
        """The answers; ``TimeoutError`` after ``seconds``, ``Busy`` as ``put``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Answer]] = loop.create_future()
        self.put(rows, partial(_tell, loop, future), mirrored=mirrored)
        async with asyncio.timeout(seconds):
            return await future

    def put(
        self, rows: Sequence[Row], tell: Callable[[list[Answer]], object], *, mirrored: bool = False
    ) -> None:
        """``tell`` is called in the batcher's thread, with an answer a row.

        ``Busy`` when the queue is full or the variant has been taken away.
        """
        with self._changed:
            if self._stopped or (self._rows and self._rows + len(rows) > self._waiting_rows):
                raise Busy(f"{self._rows} rows are waiting already")
            self._queues[mirrored].append(Waiting(rows, mirrored, tell))
            self._rows += len(rows)
            self._changed.notify()

    def stop(self) -> None:
        """Answer what waits, then end. Does not wait for a call that hangs."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _work(self) -> None:
        while batch := self._take():
            rows = [row for waiting in batch for row in waiting.rows]
            answers = iter(self._score(rows, mirrored=batch[0].mirrored))
            for waiting in batch:
                waiting.tell([next(answers) for _ in waiting.rows])
            with self._changed:
                self._rows -= len(rows)

    def _take(self) -> list[Waiting]:
        with self._changed:
            while not any(self._queues) and not self._stopped:
                self._changed.wait()
            queue = self._queues[0] or self._queues[1]
            batch: list[Waiting] = []
            rows = 0
            while queue and (not batch or rows + len(queue[0].rows) <= self._batch_rows):
                rows += len(queue[0].rows)
                batch.append(queue.popleft())
            return batch


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[list[Answer]], answers: list[Answer]
) -> None:
    with suppress(RuntimeError):  # the loop has ended: nobody is waiting any more
        loop.call_soon_threadsafe(_settle, future, answers)


def _settle(future: asyncio.Future[list[Answer]], answers: list[Answer]) -> None:
    if not future.done():  # else who asked has given up
        future.set_result(answers)
