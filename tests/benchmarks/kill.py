"""How long a killed model still answers: ``python -m tests.benchmarks.kill --rounds 500``.

Two gateway processes share one address and answer a steady load. In every round the model is
killed on the flag document and restored; measured is the time from the call until the last answer
of the killed model reached a client. In the same rounds idle processes listen to the control
service's stream: what a bare push of the same document takes. No Prefect, MLflow or ledger runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import httpx

from policies.vocabulary import TrafficPlan
from tasks.traffic.adapters.flag_document import FlagDocumentRouter
from tasks.traffic.adapters.gateway import GatewayServingPlane
from tests.faults.stack_gateway import MODEL, free_port, make_model, version

JSON = {"content-type": "application/json"}
PAUSE_SECONDS = 0.03  # of load between two rounds
GIVE_UP_SECONDS = 5.0


class Answer(NamedTuple):
    """One answer as a client saw it; times are of the monotonic clock of the machine."""

    sent: float
    done: float
    variant: str  # who answered; "" when nobody did
    status: int


class Round(NamedTuple):
    killed: float  # when the call began
    returned: float  # when the document was on disk
    agreed: float  # when every process reported the kill
    restored: float  # when the restore began


def ask(port: int, stop: Connection, told: Connection, every_seconds: float) -> None:
    """A client: one request after the other on one connection, until ``stop`` is closed."""
    row = {"unit": f"unit-{os.getpid()}", "inputs": {"x": 1.0, "mood": ""}}
    answers: list[Answer] = []
    number = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not stop.poll():
        number += 1
        body = json.dumps({"rows": [row | {"id": f"{os.getpid()}-{number}"}]})
        sent = time.monotonic()
        connection.request("POST", f"/models/{MODEL}/predict", body, JSON)
        answer = connection.getresponse()
        read = json.loads(answer.read())
        done = time.monotonic()
        variant = read["answers"][0]["variant"] if answer.status == 200 else ""
        answers.append(Answer(sent, done, variant, answer.status))
        time.sleep(max(0.0, every_seconds - (done - sent)))
    told.send(answers)


def listen(port: int, told: Connection) -> None:
    """An idle reader of the stream: tells when each revision had arrived."""
    address, headers = f"http://127.0.0.1:{port}/flags/events", {"authorization": "Bearer r"}
    with httpx.stream("GET", address, headers=headers, timeout=600) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                document = json.loads(line.removeprefix("data: "))
                now = time.monotonic()
                told.send((document["flags"][MODEL]["metadata"]["rev"], now))


@contextmanager
def processes(home: Path, gateways: int) -> Iterator[tuple[int, list[int], int]]:
    """Gateways and a control service: the shared port, the gateways' own, and the control's."""
    front, control = free_port(), free_port()
    own = [free_port() for _ in range(gateways)]
    (home / "tokens.json").write_text('{"read": "r", "route": "w", "kill": "k"}')
    commands = [
        ["deployments.gateway", "--port", str(port), "--front-port", str(front)] for port in own
    ] + [["deployments.control", "--port", str(control)]]
    started = [
        subprocess.Popen([sys.executable, "-m", *command, "--home", str(home)])
        for command in commands
    ]
    try:
        for port, path in [*((port, "ready") for port in own), (control, "health")]:
            _wait_for(f"http://127.0.0.1:{port}/{path}")
        yield front, own, control
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(url: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{url} did not come up.")


def agree(plane: GatewayServingPlane, killed: bool) -> float:
    """Wait until every process reports it; returns when that was."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        if all((item.killed_to is not None) == killed for item in plane.observe(MODEL)):
            return time.monotonic()
        time.sleep(0.005)
    raise SystemExit("The gateways do not agree.")


def run(rounds: int, gateways: int, clients: int, readers: int, every_ms: float) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        digests = [make_model(home / "store", score, sensitive=False) for score in (0.1, 0.3)]
        router = FlagDocumentRouter(home / "flags.json")
        champion, previous = (version(n, digest) for n, digest in enumerate(digests, 1))
        router.apply(TrafficPlan(model=MODEL, champion=champion, previous=previous))
        front, own, control = stack.enter_context(processes(home, gateways))
        plane = GatewayServingPlane([f"http://127.0.0.1:{port}" for port in own], "w")
        fork = multiprocessing.get_context("spawn")
        stops, tellers, listeners, children = [], [], [], []
        for _ in range(readers):
            here, there = fork.Pipe(duplex=False)
            children.append(fork.Process(target=listen, args=(control, there), daemon=True))
            listeners.append(here)
        for _ in range(clients):
            hears, stop = fork.Pipe(duplex=False)
            here, there = fork.Pipe(duplex=False)
            arguments = (front, hears, there, every_ms / 1000)
            children.append(fork.Process(target=ask, args=arguments, daemon=True))
            stops.append(stop)
            tellers.append(here)
        for child in children:
            child.start()
        time.sleep(3.0)
        held: list[tuple[Round, int]] = []
        for number in range(rounds):
            begun = time.monotonic()
            plan = router.kill(MODEL, "previous", "drill", "benchmark")
            returned = time.monotonic()
            agreed = agree(plane, True)
            time.sleep(PAUSE_SECONDS)
            restored = time.monotonic()
            router.restore(MODEL, "benchmark")
            agree(plane, False)
            held.append((Round(begun, returned, agreed, restored), plan.revision))
            time.sleep(PAUSE_SECONDS)
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {rounds} rounds", end="", file=sys.stderr)
        for end in stops:
            end.send(None)
        answers = [answer for teller in tellers for answer in teller.recv()]
        pushed = _drained(listeners)
        for child in children:
            child.terminate()
    report(held, answers, pushed, gateways, readers)


def _drained(listeners: Sequence[Connection]) -> dict[int, list[float]]:
    """Of each revision, when it arrived at each reader."""
    time.sleep(0.5)
    found: dict[int, list[float]] = {}
    for listener in listeners:
        while listener.poll():
            revision, at = listener.recv()
            found.setdefault(revision, []).append(at)
    return found


def report(
    held: Sequence[tuple[Round, int]],
    answers: Sequence[Answer],
    pushed: dict[int, list[float]],
    gateways: int,
    readers: int,
) -> None:
    killed, push, observed = [], [], []
    for each, revision in held:
        late = [
            a.done - each.killed
            for a in answers
            if a.variant == "champion" and each.killed < a.done < each.restored
        ]
        killed.append(max(late, default=0.0) * 1000)
        observed.append((each.agreed - each.killed) * 1000)
        if len(pushed.get(revision, ())) == readers:
            push.append((max(pushed[revision]) - each.killed) * 1000)
    failed = sum(a.status != 200 for a in answers)
    begun = held[0][0].killed
    during = [a for a in answers if begun < a.done < held[-1][0].restored]
    seconds = held[-1][0].restored - begun
    ratio = _p(killed, 0.99) / _p(push, 0.99)
    print(
        f"{len(held)} rounds, {gateways} gateway processes, {len(during) / seconds:.0f} requests/s"
        f"\n\n| measure | p50 ms | p99 ms | most ms | required |\n|---|---|---|---|---|"
        f"\n| kill → last answer of the killed model | {_line(killed)} | p99 ≤ 100 |"
        f"\n| kill → every process reports it | {_line(observed)} | |"
        f"\n| bare push to {readers} idle readers ({len(push)} rounds) | {_line(push)} | |"
        f"\n\np99 against the bare push's: {ratio:.2f} (required ≤ 5)."
        f"\nRequests that failed: {failed} of {len(answers)} (required 0)."
    )


def _line(values: Sequence[float]) -> str:
    return f"{_p(values, 0.5):.1f} | {_p(values, 0.99):.1f} | {max(values):.1f}"


def _p(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--every-ms", type=float, default=20.0, help="pause of each client")
    told = parser.parse_args()
    run(told.rounds, told.gateways, told.clients, told.readers, told.every_ms)


if __name__ == "__main__":
    main()
