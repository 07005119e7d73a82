"""The demo: a real stack, real flights, and candidates whose fate nobody has written down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.cli.approving import cast, signed
from deployments.cli.releasing import RELEASE_DEPLOYMENT, adopt_champion
from deployments.demo.barrier import Barrier
from deployments.demo.flights import prepare
from deployments.demo.people import ENGINEER, PEOPLE, key_of, write_people
from deployments.demo.replay import Progress, Replay, ReplayPlan
from deployments.demo.scenarios import SCENARIOS
from deployments.demo.world_clock import WorldClock
from deployments.stack.parts import QUIET
from deployments.stack.processes import Roster, stop
from deployments.stack.world import make_home, up
from policies.errors import ApprovalError, UnavailableError
from policies.lifecycle import Phase, Release
from tasks.connections import World

Say = Callable[[str], None]
PARK_AFTER_SECONDS = 2.0  # the demo's weeks last seconds; a real installation parks after 60
PREPARE_SECONDS = 240.0
LONGEST_VOYAGE_SECONDS = 900.0
PATIENCE_WITH_PEOPLE_SECONDS = 24 * 3600.0


@dataclass
class Voyage:
    """One scenario under way."""

    scenario: str
    model: str
    version: str
    barrier: Barrier
    replay: Replay
    thread: threading.Thread
    halt: threading.Event
    run_id: str = ""
    release_id: str = ""
    progress: Progress = field(default_factory=Progress)

    @property
    def state(self) -> Release:
        return self.barrier.state


@dataclass(frozen=True)
class Demo:
    """Everything one call of ``seatrial demo`` does. ``say`` gets one line at a time."""

    home: Path
    scenarios: Sequence[str]
    wait_for_me: bool
    say: Say
    share_of_flights: float = 1.0

    def run(self) -> list[dict[str, Any]]:
        """Bring the stack up, take every scenario to its end, and return a row for each.

        Interrupted, it stops the stack if this call started it.
        """
        ran_before = any(r.process() for r in Roster(self.home / "stack.json").read().values())
        try:
            return self._run()
        except BaseException:
            if not ran_before:
                stop(Roster(self.home / "stack.json").read().values())
            raise

    def _run(self) -> list[dict[str, Any]]:
        make_home(self.home)
        write_people(self.home)  # first: a team's home is refused before anything is started in it
        registered = self._stack_and_models()
        world = World(self.home)
        voyages = [self._cast_off(world, name, registered[name]) for name in self.scenarios]
        try:
            for voyage in voyages:
                voyage.thread.start()
            self._follow(world, voyages)
        finally:
            for voyage in voyages:
                voyage.halt.set()
            for voyage in voyages:
                voyage.thread.join(timeout=30)
        return [self._row(voyage) for voyage in voyages]

    def _stack_and_models(self) -> dict[str, dict[str, str]]:
        out = self.home / "demo" / "registered.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        pairs = [f"{name}={self._model_name(name)}" for name in self.scenarios]
        command = [sys.executable, "-m", "deployments.demo.prepare", "--home", str(self.home)]
        log = self.home / "demo" / "prepare.log"
        self.say("training the champion and the candidates on January to March")
        with log.open("wb") as sink:
            trainer = subprocess.Popen(
                [*command, "--out", str(out), *pairs], stdout=sink, stderr=sink, env=_environment()
            )
        try:
            up(self.home, self.say, park_after_seconds=PARK_AFTER_SECONDS)
            code = trainer.wait(timeout=PREPARE_SECONDS)
        finally:
            if trainer.poll() is None:
                trainer.terminate()
                trainer.wait(timeout=10)
        if code != 0:
            raise UnavailableError("The demo's models were not made.", advice=f"Read {log}.")
        self.say("models registered in MLflow")
        registered: dict[str, dict[str, str]] = json.loads(out.read_text())
        return registered

    def _model_name(self, scenario: str) -> str:
        """A home may see several demos: each has models, clock and history of its own."""
        clocks = self.home / "clock"
        base = f"flight-delay-{scenario.replace('_', '-')}"
        names = [base, *(f"{base}-{n}" for n in range(2, 100))]
        return next(name for name in names if not (clocks / f"{name}.json").exists())

    def _cast_off(self, world: World, scenario: str, registered: dict[str, str]) -> Voyage:
        model = registered["model"]
        plan = ReplayPlan(
            model=model,
            gateway_url=world.settings.gateway_urls[0],
            clock_folder=self.home / "clock",
            share_of_flights=self.share_of_flights,
            hold_seconds=PATIENCE_WITH_PEOPLE_SECONDS if self.wait_for_me else 600.0,
        )
        WorldClock(plan.clock_folder / f"{model}.json").tick(plan.begins())
        adopt_champion(world, model, registered["champion"], None, ENGINEER.name)
        barrier = Barrier(world, model, plan.begins())
        halt = threading.Event()
        replay = Replay(plan, prepare(self.home / "demo"), barrier, halt)
        voyage = Voyage(
            scenario, model, registered["candidate"], barrier, replay, threading.Thread(), halt
        )
        replay.report = lambda progress: setattr(voyage, "progress", progress)
        voyage.thread = threading.Thread(target=replay.run, name=f"replay {scenario}", daemon=True)
        parameters = {
            "model": model,
            "version": registered["candidate"],
            "requester": ENGINEER.name,
            "policy": None,
        }
        run = world.orchestrator.launch(RELEASE_DEPLOYMENT, parameters)
        voyage.run_id, voyage.release_id = run.run_id, f"rel-{run.run_id[:8]}"
        self.say(f"{scenario}: {SCENARIOS[scenario].story}")
        self.say(f"{scenario}: release {voyage.release_id}, watch it at {run.url}")
        return voyage

    def _follow(self, world: World, voyages: Sequence[Voyage]) -> None:
        """Until every release is closed: tell what happens, and sign as the demo's people."""
        longest = PATIENCE_WITH_PEOPLE_SECONDS if self.wait_for_me else LONGEST_VOYAGE_SECONDS
        deadline = time.monotonic() + longest
        told: dict[str, str] = {}
        while time.monotonic() < deadline:
            for voyage in voyages:
                line = _line(voyage)
                if told.get(voyage.scenario) != line:
                    told[voyage.scenario] = line
                    self.say(f"{voyage.scenario}: {line}")
                if voyage.state.phase is Phase.CLOSED:
                    voyage.halt.set()
                if voyage.state.request is not None:
                    self._sign(world, voyage, told)
            if all(voyage.state.phase is Phase.CLOSED for voyage in voyages):
                return
            self._check_runs(world, voyages)
            time.sleep(0.4)
        raise UnavailableError(
            "The demo did not end in time.", advice="Look at the runs in the Prefect UI."
        )

    def _check_runs(self, world: World, voyages: Sequence[Voyage]) -> None:
        """A run that failed before its release was opened would never end: say so instead."""
        for voyage in voyages:
            if voyage.state.phase is not Phase.UNOPENED:
                continue
            run = world.orchestrator.run(voyage.run_id)
            if run is not None and run.state == "FAILED":
                raise UnavailableError(
                    f"The release run of {voyage.model} failed before it began.",
                    advice=f"Read {run.url} and {self.home / 'logs' / 'worker.log'}.",
                )

    def _sign(self, world: World, voyage: Voyage, told: dict[str, str]) -> None:
        request = voyage.state.request
        if request is None or told.get(request.request_id):
            return
        told[request.request_id] = "asked"
        if self.wait_for_me:
            for person in PEOPLE[1:]:
                self.say(
                    f"{voyage.scenario}: sign with  seatrial --home {self.home} approve "
                    f"{request.request_id} --as '{person.name}' --role {person.roles[0]} "
                    f"--key {key_of(self.home, person)}"
                )
            return
        for person in PEOPLE[1:]:
            role = next((role for role in person.roles if role in request.roles), None)
            if role is None:
                continue
            try:
                vote = signed(world, request, person.name, role, key_of(self.home, person))
            except ApprovalError as error:
                self.say(f"{voyage.scenario}: {person.name} could not sign: {error}")
                continue
            self.say(f"{voyage.scenario}: {person.name} signs as {role}")
            threading.Thread(target=cast, args=(world, voyage.state, vote), daemon=True).start()

    def _row(self, voyage: Voyage) -> dict[str, Any]:
        ended = voyage.state.closing
        begins = voyage.replay.plan.begins()
        days = (voyage.barrier.world.clock.now(voyage.model) - begins).total_seconds() / 86_400
        row: dict[str, Any] = {
            "scenario": voyage.scenario,
            "release_id": voyage.release_id,
            "outcome": ended.outcome.value if ended else "unfinished",
            "stage": ended.stage if ended else None,
            "finding": ended.finding if ended else None,
            "reason": ended.reason if ended else None,
            "exposed_requests": ended.exposed_requests if ended else None,
            "seconds_to_zero_traffic": ended.seconds_to_zero_traffic if ended else None,
            "days_replayed": round(days, 1),
            "share_of_flights": self.share_of_flights,
        }
        return row


def _line(voyage: Voyage) -> str:
    state = voyage.state
    if state.closing is not None:
        return f"{state.closing.outcome.value.replace('_', ' ')}: {state.closing.reason}"
    place = state.step.name if state.step else "opening"
    said = f"look {state.looks}: {state.verdict.decision}" if state.verdict else state.phase.value
    return f"{voyage.progress.day or '2013-05-01'} · {place} · {said}"


def _environment() -> dict[str, str]:
    return {**os.environ, **QUIET}
