"""Clients that cost little themselves: each sends, waits for its answer, sends the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psutil
import uvloop

Body = Callable[[int], bytes]


class Target(NamedTuple):
    """Where to send what, and whose CPU time is its cost."""

    name: str
    port: int
    path: str
    body: Body
    pids: tuple[int, ...]


@dataclass
class Load:
    """What one stretch of load came to."""

    times_ms: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.times_ms) / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / len(self.times_ms) * 1e6


class _Client(asyncio.Protocol):
    def __init__(self, target: Target, load: Load, numbers: list[int], until: float) -> None:
        self._target, self._load, self._numbers, self._until = target, load, numbers, until
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._load.times_ms.append((time.perf_counter() - self._sent) * 1000)
        self._load.failed += not head.startswith(b"HTTP/1.1 200")
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._answer, self._sent = b"", time.perf_counter()
        self._numbers[0] += 1
        body = self._target.body(self._numbers[0])
        head = (
            f"POST {self._target.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])


def send(target: Target, clients: int, seconds: float, numbers: list[int]) -> Load:
    """``clients`` at a time for ``seconds``; ``numbers`` counts requests over all stretches."""

    async def run() -> Load:
        load, loop = Load(), asyncio.get_running_loop()
        start, cpu = time.perf_counter(), _cpu_seconds(target.pids)
        made = [
            await loop.create_connection(
                lambda: _Client(target, load, numbers, start + seconds), "127.0.0.1", target.port
            )
            for _ in range(clients)
        ]
        await asyncio.wait_for(asyncio.gather(*(client.done for _, client in made)), seconds + 30)
        load.seconds = time.perf_counter() - start
        load.cpu_seconds = _cpu_seconds(target.pids) - cpu
        return load

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _cpu_seconds(pids: tuple[int, ...]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)
