"""The demo as a person runs it, with its release run killed in the canary.

One real stack, one real command. What is promised here is what everything else stands on: the
good model is released and the bad one refused by the data; killing the run's process changes
nothing but time; a release that waits has no process; the switch needs neither Prefect nor
MLflow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deployments.demo.people import PEOPLE, key_of
from deployments.stack.processes import Roster
from policies.errors import UnavailableError
from policies.lifecycle import Phase, Release, fold
from policies.vocabulary import Entry
from tasks.connections import World
from tasks.ledger.record import live_releases

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SEATRIAL = [sys.executable, "-c", "from deployments.cli.main import run; run()"]
BETTER, FRAGILE = "flight-delay-better", "flight-delay-fragile"
PARKED, SUSPENDED = ("Baking", "On hold"), "Sign-off wanted"  # the states as people see them


def seatrial(home: Path, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own."""
    command = [*SEATRIAL, "--home", str(home), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def processes_of(run_id: str) -> list[psutil.Process]:
    """Every process on this machine that executes the flow run."""
    found = []
    for process in psutil.process_iter():
        try:
            if run_id in process.environ().get("PREFECT__FLOW_RUN_ID", ""):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@dataclass
class Voyage:
    """What was seen while the demo ran."""

    home: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    crashed: bool = False
    idle: dict[str, set[str]] = field(default_factory=dict)  # model -> states seen processless
    waited: set[str] = field(default_factory=set)  # for a person, processless, for seconds
    log: str = ""

    @property
    def world(self) -> World:
        return World(self.home)

    def entries(self, model: str) -> Sequence[Entry]:
        return [e for e in self.world.ledger.entries(model=model) if e.release_id]


@pytest.fixture(scope="module")
def voyage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voyage]:
    """Run the demo once for every test of this file; the stack is taken down whatever happens."""
    home = tmp_path_factory.mktemp("voyage") / "home"
    seen = Voyage(home)
    out, err = home.with_name("out.json"), home.with_name("err.txt")
    command = [*SEATRIAL, "--home", str(home), "demo", "--json", "--wait-for-me"]
    with out.open("w") as sink, err.open("w") as log:
        demo = subprocess.Popen(command, stdout=sink, stderr=log)
    watcher = threading.Thread(target=_watch_processes, args=(demo, seen), daemon=True)
    watcher.start()
    try:
        _accompany(demo, seen)
        watcher.join(timeout=60)
        seen.log = err.read_text()
        assert demo.returncode == 0, seen.log
        seen.rows = json.loads(out.read_text())
        yield seen
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGINT)
            demo.wait(timeout=60)
        seatrial(home, "down")


def _accompany(demo: subprocess.Popen[bytes], seen: Voyage) -> None:
    """Watch, kill the release's run once in its canary, and sign as the demo's people."""
    deadline = time.monotonic() + 800
    while demo.poll() is None:
        assert time.monotonic() < deadline, "the demo did not end"
        time.sleep(0.3)
        for state in _live(seen):
            if state.model == BETTER and _is_in_canary(state) and not seen.killed:
                _kill_run(seen, state)
            if state.request is not None and state.model in seen.waited:
                _sign(seen, state)


def _live(seen: Voyage) -> Sequence[Release]:
    """None as long as the stack has not written down where its ledger is."""
    if not (seen.home / "ledger.db").exists() or not (seen.home / "settings.json").exists():
        return ()
    return live_releases(seen.world.ledger)


def _watch_processes(demo: subprocess.Popen[bytes], seen: Voyage) -> None:
    """Beside what the people do: a release of the demo waits for seconds only."""
    while demo.poll() is None:
        time.sleep(0.1)
        # A server that is just starting or stopping says nothing about who waits.
        with suppress(UnavailableError):
            for state in _live(seen):
                _look_at_processes(seen, state)


def _look_at_processes(seen: Voyage, state: Release) -> None:
    run = seen.world.orchestrator.run(state.run_id or "")
    if run is None:
        return
    seen.crashed = seen.crashed or run.state == "CRASHED"
    if run.state_name in (*PARKED, SUSPENDED) and not processes_of(run.run_id):
        again = seen.world.orchestrator.run(run.run_id)
        if again is not None and again.state_name == run.state_name:
            seen.idle.setdefault(state.model, set()).add(run.state_name)
    if state.request and state.model not in seen.waited and run.state_name == SUSPENDED:
        time.sleep(3.0)  # nobody signs before this was seen, so it is still waiting
        if not processes_of(run.run_id):
            seen.waited.add(state.model)


def _is_in_canary(state: Release) -> bool:
    return state.step is not None and state.step.name.startswith("canary") and state.looks >= 2


def _kill_run(seen: Voyage, state: Release) -> None:
    """As soon as it has a process: between two looks it has none, and a look is short."""
    deadline = time.monotonic() + 60
    while not seen.crashed and time.monotonic() < deadline:
        for process in processes_of(state.run_id or ""):
            os.kill(process.pid, signal.SIGKILL)
            seen.killed.append(process.pid)
        run = seen.world.orchestrator.run(state.run_id or "")
        seen.crashed = run is not None and run.state == "CRASHED"
        time.sleep(0.05)


def _sign(seen: Voyage, state: Release) -> None:
    """By the command people use. A second vote of the same person does not count twice."""
    signed = {vote.person for vote in state.votes}
    for person in PEOPLE[1:]:
        if person.name not in signed and state.request is not None:
            key = str(key_of(seen.home, person))
            done = seatrial(
                seen.home, "approve", state.request.request_id, "--as", person.name,
                "--role", person.roles[0], "--key", key, "--yes",
            )  # fmt: skip
            assert done.returncode == 0, done.stderr


def row(seen: Voyage, scenario: str) -> dict[str, Any]:
    return next(row for row in seen.rows if row["scenario"] == scenario)


def test_the_better_model_is_released(voyage: Voyage) -> None:
    """By the data, through every stage, and it answered real requests on the way."""
    found = row(voyage, "better")
    assert (found["outcome"], found["stage"], found["finding"]) == ("released", "soak", "safe")
    assert found["exposed_requests"] > 1000
    assert found["share_of_flights"] == 1.0


def test_the_broken_model_is_refused_before_any_user_saw_it(voyage: Voyage) -> None:
    found = row(voyage, "unit_bug")
    assert (found["outcome"], found["stage"], found["finding"]) == ("refused", "staging", "harmful")
    assert found["exposed_requests"] == 0
    assert "parity" in found["reason"]


def test_what_breaks_in_the_canary_is_contained(voyage: Voyage) -> None:
    """Hot days break it: the champion answers in its place, then it is out, with an incident."""
    found = row(voyage, "fragile")
    assert (found["outcome"], found["finding"]) == ("rolled_back", "harmful"), found["reason"]
    assert found["stage"].startswith("canary")
    # On a hot day half of its latest rows fail: its breaker may open before a look weighs them.
    assert found["reason"].startswith(("errors is worse", "The circuit breaker of gateway"))
    assert found["exposed_requests"] > 0
    assert found["seconds_to_zero_traffic"] < 30
    assert 0 < found["hours_from_fault_to_zero"] <= 96
    kinds = [e.kind for e in voyage.entries(FRAGILE)]
    assert {"quarantined", "incident", "contained"} <= set(kinds)
    health = httpx.get(f"{voyage.world.settings.gateway_urls[0]}/health", timeout=10).json()
    assert health["fallbacks"] > 0
    assert health["unanswered"] == 0


def test_killing_the_run_changes_nothing_but_time(voyage: Voyage) -> None:
    """Killed in the canary, seen as crashed, woken by the watcher; every effect happened once."""
    assert voyage.killed and voyage.crashed
    entries = voyage.entries(BETTER)
    entered = [e.payload["step"]["name"] for e in entries if e.kind == "entered"]
    state = fold(entries)
    assert entered == [step.name for step in state.policy.steps()]
    for kind in ("opened", "asked", "granted", "promoting", "promoted", "closed"):
        assert [e.kind for e in entries].count(kind) == 1, kind
    looks = [(e.payload["step"], e.payload["look"]) for e in entries if e.kind == "looked"]
    assert len(looks) == len(set(looks))
    told = [e.payload["title"] for e in entries if e.kind == "notified"]
    assert len(told) == len(set(told))
    assert voyage.world.ledger.verify() > len(entries)


def test_looks_fall_where_the_policy_puts_them_whatever_was_killed(voyage: Voyage) -> None:
    """Each look was taken within the hour in which it fell due, so no machine is too slow."""
    entries = voyage.entries(BETTER)
    due = None
    for entry in entries:
        if entry.kind == "looked" and due is not None:
            assert abs((entry.at - due).total_seconds()) <= 3600, entry.payload["step"]
        state = fold([e for e in entries if e.seq <= entry.seq])
        due = state.next_look


def test_a_release_that_waits_has_no_process(voyage: Voyage) -> None:
    """Baking beyond the park threshold, and waiting for people: nothing runs meanwhile."""
    assert {BETTER, FRAGILE} <= voyage.waited
    assert set().union(*voyage.idle.values()) & set(PARKED)


def test_why_answers_from_the_ledger_alone(voyage: Voyage, tmp_path: Path) -> None:
    """Who decided what on which evidence, with nothing but the ledger at hand."""
    release_id = row(voyage, "better")["release_id"]
    alone = tmp_path / "alone"
    alone.mkdir()
    for file in voyage.home.glob("ledger.db*"):
        (alone / file.name).write_bytes(file.read_bytes())
    done = seatrial(alone, "why", release_id)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for word in ("Erin Vale", "Ravi Lund", "Mona Okafor", "canary", "PASS"):
        assert word in text


@pytest.mark.parametrize("scenario", ["better", "unit_bug", "fragile"])
def test_the_verdict_that_ended_it_is_recomputed_from_its_file(
    voyage: Voyage, scenario: str, tmp_path: Path
) -> None:
    """Released, refused or rolled back: the same verdict, in a place without a home."""
    file = tmp_path / "look.json"
    release_id = row(voyage, scenario)["release_id"]
    done = seatrial(voyage.home, "why", release_id, "--evidence", str(file))
    assert done.returncode == 0, done.stderr
    done = seatrial(tmp_path / "nowhere", "judge", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Same verdict" in done.stdout


def predict(home: Path, model: str) -> dict[str, Any]:
    world = World(home)
    sample = world.home.path / "spool" / "inputs"
    inputs = _any_inputs(sample, model)
    answer = httpx.post(
        f"{world.settings.gateway_url}/models/{model}/predict",
        json={"rows": [{"id": f"x-{time.time_ns()}", "unit": "u", "inputs": inputs}]},
        timeout=10,
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["answers"][0]
    return found


def _any_inputs(folder: Path, model: str) -> dict[str, Any]:
    import duckdb

    for pattern, read in (("*.parquet", "read_parquet"), ("*.jsonl", "read_json_auto")):
        if not list(folder.glob(pattern)):
            continue
        query = f"select inputs from {read}('{folder}/{pattern}') where model = ? limit 1"
        found = duckdb.connect().execute(query, [model]).fetchall()
        if found:
            value = found[0][0]
            return json.loads(value) if isinstance(value, str) else dict(value)
    raise AssertionError("nothing was spooled")


def test_kill_and_restore_need_neither_prefect_nor_mlflow(voyage: Voyage) -> None:
    """With both dead, the previous version answers within a second, and the champion after."""
    roster = Roster(voyage.home / "stack.json").read()
    for name in ("worker", "prefect", "mlflow"):
        process = roster[name].process()
        assert process is not None
        for child in [*process.children(recursive=True), process]:
            child.kill()
            child.wait(10)
    assert predict(voyage.home, BETTER)["version"] == "2"
    done = seatrial(voyage.home, "kill", BETTER, "--reason", "drill", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["to"] == "previous" and told["seconds"] < 2
    assert predict(voyage.home, BETTER)["version"] == "1"
    assert seatrial(voyage.home, "status").returncode == 0
    done = seatrial(voyage.home, "restore", BETTER, "--reason", "drill over")
    assert done.returncode == 0, done.stderr
    assert predict(voyage.home, BETTER)["version"] == "2"
    kinds = [e.kind for e in voyage.world.ledger.entries(model=BETTER)]
    assert kinds[-2:] == ["kill", "restore"]


def test_doctor_names_what_is_dead_and_up_brings_it_back(voyage: Voyage) -> None:
    done = seatrial(voyage.home, "doctor", "--json")
    sick = {item["part"] for item in json.loads(done.stdout) if not item["well"]}
    assert done.returncode == 1
    assert {"processes", "prefect", "mlflow"} <= sick
    assert seatrial(voyage.home, "up", timeout=300).returncode == 0
    assert seatrial(voyage.home, "doctor").returncode == 0


def test_down_leaves_nothing_alive(voyage: Voyage) -> None:
    """Every process of the stack and everything it started is gone."""
    trees = []
    for started in Roster(voyage.home / "stack.json").read().values():
        process = started.process()
        assert process is not None, started.name
        trees += [process, *process.children(recursive=True)]
    assert seatrial(voyage.home, "down").returncode == 0
    assert not [p for p in trees if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert Phase.CLOSED is fold(voyage.entries(BETTER)).phase
