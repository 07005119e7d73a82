"""Load from a process of its own: ``python -m tests.faults.stack_load --port P --to FILE …``.

Bare sockets, so that the cores are left to the gateway. One line an answer: its id, and when it
was there by the monotonic clock, which all processes of a machine share. It ends when
its time is over, or the gateway is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

Answer = tuple[str, float]


async def ask(port: int, model: str, name: str, until: float, told: list[Answer]) -> None:
    """One connection, one request after the other, one row each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turn = 0
    try:
        while time.monotonic() < until:
            turn += 1
            id_ = f"{name}-{turn}"
            row = {"id": id_, "unit": id_, "inputs": {"x": 1.0, "mood": ""}}
            body = json.dumps({"rows": [row]}).encode()
            head = f"POST /models/{model}/predict HTTP/1.1\r\nHost: h\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in answer.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            if answer.startswith(b"HTTP/1.1 200"):
                told.append((id_, time.monotonic()))
    except (ConnectionError, asyncio.IncompleteReadError):
        return  # the gateway is gone
    finally:
        writer.close()


async def load(port: int, model: str, name: str, clients: int, seconds: float) -> list[Answer]:
    told: list[Answer] = []
    until = time.monotonic() + seconds
    asking = (ask(port, model, f"{name}-{n}", until, told) for n in range(clients))
    await asyncio.gather(*asking)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    told = asyncio.run(load(given.port, given.model, given.name, given.clients, given.seconds))
    given.to.write_text("".join(f"{id_} {at!r}\n" for id_, at in told))


if __name__ == "__main__":
    main()
