"""What a candidate gone bad does to the others: ``python -m tests.benchmarks.bad_candidate``.

A gateway process answers a steady load with 5 % for the candidate and every row mirrored, as in a
canary. After some seconds every row carries what makes the candidate hang, raise, answer nonsense,
take half a second longer, crash or eat memory; the champion does not mind. Printed for each: the
latency of the champion's users before and during, requests that failed, and how long it took until
the circuit breaker was open.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from policies.vocabulary import Breaker, TrafficPlan
from tasks.traffic.split import goes_to_candidate
from tests.faults.stack_gateway import MODEL, Stack, gateway, make_model, version

MOODS = ("hang", "raise", "nonsense", "slow", "crash", "hog")
URL, JSON = f"/models/{MODEL}/predict", {"content-type": "application/json"}
WEIGHT_BP = 500
RULES = Breaker(answer_within_ms=300, rows=10, bad_share=0.5, window_seconds=30)


class Answer(NamedTuple):
    """One request of one client; times are of the machine's monotonic clock."""

    sent: float
    took: float
    mood: str
    to_candidate: bool
    status: int
    variant: str


def ask(port: int, told: Connection, mood_from: Any, mood: str, until: float) -> None:
    """One request after the other, each of another unit; ``mood_from``: since when with it."""
    answers: list[Answer] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    number = 0
    while (sent := time.monotonic()) < until:
        number += 1
        unit = f"{os.getpid()}-{number}"
        now = mood if sent >= mood_from.value else ""
        row = {"id": unit, "unit": unit, "inputs": {"x": 1.0, "mood": now}}
        connection.request("POST", URL, json.dumps({"rows": [row]}), JSON)
        reply = connection.getresponse()
        read = json.loads(reply.read())
        variant = read["answers"][0]["variant"] if reply.status == 200 else ""
        chosen = goes_to_candidate(MODEL, unit, WEIGHT_BP)
        took = time.monotonic() - sent
        answers.append(Answer(sent, took, now, chosen, reply.status, variant))
    told.send(answers)


def trial(stack: Stack, plan: TrafficPlan, mood: str, clients: int, seconds: float) -> str:
    stack.apply(plan.model_copy(update={"release_id": f"r-{mood}"}))
    stack.wait(lambda: stack.plane.observe(MODEL)[0].error is None, 90)
    fork = multiprocessing.get_context("spawn")
    begin = time.monotonic() + 4.0 + seconds
    since, until = fork.Value("d", begin), begin + seconds
    pipes, children = [], []
    for _ in range(clients):
        here, there = fork.Pipe(duplex=False)
        arguments = (stack.port, there, since, mood, until)
        children.append(fork.Process(target=ask, args=arguments, daemon=True))
        pipes.append(here)
    for child in children:
        child.start()
    opened = None
    while time.monotonic() < until:
        if opened is None and stack.plane.observe(MODEL)[0].opened:
            opened = time.monotonic()
        time.sleep(0.005 if time.monotonic() > begin else 0.2)
    answers = [answer for pipe in pipes for answer in pipe.recv()]
    for child in children:
        child.join(5)
    return _row(mood, answers, opened, begin)


def _row(mood: str, answers: Sequence[Answer], opened: float | None, begin: float) -> str:
    others = [a for a in answers if not a.to_candidate and a.sent > begin - 3.0]
    before = [a.took * 1000 for a in others if not a.mood]
    during = [a.took * 1000 for a in others if a.mood]
    bad = [a for a in answers if a.to_candidate and a.mood]
    failed = sum(a.status != 200 for a in answers)
    first = min((a.sent for a in bad), default=begin)
    took = "not opened" if opened is None else f"{opened - first:.2f}"
    return (
        f"| {mood} | {_p99(before):.1f} | {_p99(during):.1f} | {statistics.median(before):.1f} | "
        f"{statistics.median(during):.1f} | {max((a.took for a in bad), default=0) * 1000:.0f} | "
        f"{took} | {failed} of {len(answers)} |"
    )


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("moods", nargs="*", default=MOODS)
    told = parser.parse_args()
    print(
        "| the candidate | others' p99 before, ms | during | median before | during | "
        "its users waited at most, ms | breaker open after, s | failed |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store = home / "store"
        champion = version(1, make_model(store, 0.1, sensitive=False))
        candidate = version(2, make_model(store, 0.2, sensitive=True))
        plan = TrafficPlan(
            model=MODEL, champion=champion, candidate=candidate, weight_bp=WEIGHT_BP, mirror=True,
            breaker=RULES, step="canary 5 %",
        )  # fmt: skip
        with gateway(home, "--candidate-memory-mb", "512") as stack:
            for mood in told.moods:
                print(trial(stack, plan, mood, told.clients, told.seconds), flush=True)


if __name__ == "__main__":
    main()
