"""The demo: a real stack, real data, and candidates whose fate nobody has written down."""

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

from deployments.cli.approving import cast, signed
from deployments.cli.releasing import RELEASE_DEPLOYMENT, adopt_champion
from deployments.demo.people import ENGINEER, PEOPLE, key_of, write_people
from deployments.demo.replay import ReplayPlan
from deployments.demo.scenarios import SCENARIOS, SEED
from deployments.demo.voyage import Voyage, launch_ready
from deployments.demo.world_clock import WorldClock
from deployments.demo.worlds import WORLDS
from deployments.stack.parts import QUIET
from deployments.stack.processes import Roster, stop
from deployments.stack.world import make_home, up
from policies.errors import ApprovalError, UnavailableError
from policies.lifecycle import Phase, Release
from tasks.connections import World
from tasks.ledger.record import live_releases, note

Say = Callable[[str], None]
MODELS = tuple(world.prefix for world in WORLDS.values())
PARK_AFTER_SECONDS = 2.0  # the demo's weeks last seconds; a real installation parks after 60
PREPARE_SECONDS = 300.0
LONGEST_VOYAGE_SECONDS = 900.0
PATIENCE_WITH_PEOPLE_SECONDS = 24 * 3600.0
AT_SEA = 3  # voyages at a time: more would only wait for the two cores and take memory


def abort_leftovers(world: World, models: tuple[str, ...] = MODELS) -> list[Release]:
    """End the releases of a demo that was interrupted: nobody replays their world any more."""
    live = live_releases(world.ledger)
    left = [state for state in live if state.model.startswith(models) and state.stop is None]
    for state in left:
        note(
            world.ledger,
            "abort_asked",
            {"reason": "its demo was interrupted"},
            at=world.clock.now(state.model),
            actor="system:demo",
            release_id=state.release_id,
            model=state.model,
        )
    return left


@dataclass
class Demo:
    """Everything one call of ``seatrial demo`` does. ``say`` gets one line at a time."""

    home: Path
    scenarios: Sequence[str]
    wait_for_me: bool
    say: Say
    share_of_flights: float = 1.0
    seed: int = SEED
    _told: dict[str, str] = field(default_factory=dict)

    def run(self) -> list[Voyage]:
        """Bring the stack up, and take every scenario to its end, in their order.

        Interrupted, it stops the stack if this call started it.
        """
        ran_before = any(r.process() for r in Roster(self.home / "stack.json").read().values())
        try:
            return self._run()
        except BaseException:
            if not ran_before:
                stop(Roster(self.home / "stack.json").read().values())
            raise

    def _run(self) -> list[Voyage]:
        make_home(self.home)
        write_people(self.home)  # first: a team's home is refused before anything is started in it
        registered = self._stack_and_models()
        world = World(self.home)
        for left in abort_leftovers(world):
            self.say(f"{left.release_id} of an interrupted demo is aborted")
        waiting = list(self.scenarios)
        voyages: list[Voyage] = []
        try:
            self._follow(world, registered, waiting, voyages)
        finally:
            for voyage in voyages:
                voyage.moor()
        return voyages

    def _stack_and_models(self) -> dict[str, dict[str, str]]:
        out = self.home / "demo" / "registered.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        pairs = [f"{name}={self._model_name(name)}" for name in self.scenarios]
        command = [sys.executable, "-m", "deployments.demo.prepare", "--home", str(self.home)]
        command += ["--seed", str(self.seed), "--out", str(out), *pairs]
        log = self.home / "demo" / "prepare.log"
        self.say("training the champion and the candidates")
        with log.open("wb") as sink:
            environment = {**os.environ, **QUIET}
            trainer = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment)
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
        base = WORLDS[SCENARIOS[scenario].world].prefix + scenario.replace("_", "-")
        names = [base, *(f"{base}-{n}" for n in range(2, 100))]
        return next(name for name in names if not (clocks / f"{name}.json").exists())

    def _cast_off(self, world: World, scenario: str, registered: dict[str, str]) -> Voyage:
        plan = ReplayPlan(
            model=registered["model"],
            gateway_url=world.settings.gateway_url,
            clock_folder=self.home / "clock",
            world=WORLDS[SCENARIOS[scenario].world],
            first_day=SCENARIOS[scenario].first_day,
            share_of_flights=self.share_of_flights,
            seed=self.seed,
            hold_seconds=PATIENCE_WITH_PEOPLE_SECONDS if self.wait_for_me else 600.0,
        )
        WorldClock(plan.clock_folder / f"{plan.model}.json").tick(plan.begins())
        adopt_champion(world, plan.model, registered["champion"], None, ENGINEER.name)
        voyage = launch_ready(world, scenario, registered, plan)
        run = world.orchestrator.launch(RELEASE_DEPLOYMENT, voyage.parameters())
        voyage.run_id, voyage.release_id = run.run_id, f"rel-{run.run_id[:8]}"
        self.say(f"{scenario}: {SCENARIOS[scenario].story}")
        self.say(f"{scenario}: release {voyage.release_id}, watch it at {run.url}")
        voyage.sail()
        return voyage

    def _follow(
        self,
        world: World,
        registered: dict[str, dict[str, str]],
        waiting: list[str],
        voyages: list[Voyage],
    ) -> None:
        """Until every release is closed: tell what happens, and sign as the demo's people."""
        longest = PATIENCE_WITH_PEOPLE_SECONDS if self.wait_for_me else LONGEST_VOYAGE_SECONDS
        deadline = time.monotonic() + longest * (1 + len(waiting) // AT_SEA)
        while time.monotonic() < deadline:
            at_sea = [voyage for voyage in voyages if not voyage.is_over]
            if waiting and len(at_sea) < AT_SEA:
                scenario = waiting.pop(0)
                voyages.append(self._cast_off(world, scenario, registered[scenario]))
                continue
            for voyage in [voyage for voyage in voyages if not voyage.is_moored]:
                self._attend(world, voyage)
            if not waiting and all(voyage.is_over for voyage in voyages):
                return
            time.sleep(0.4)
        raise UnavailableError(
            "The demo did not end in time.", advice="Look at the runs in the Prefect UI."
        )

    def _attend(self, world: World, voyage: Voyage) -> None:
        line = voyage.line()
        if self._told.get(voyage.scenario) != line:
            self._told[voyage.scenario] = line
            self.say(f"{voyage.scenario}: {line}")
        if voyage.is_over:
            voyage.moor()
        elif voyage.fault is not None:
            raise voyage.fault
        elif voyage.state.phase is Phase.UNOPENED:
            self._check_run(world, voyage)
        elif voyage.state.request is not None:
            self._sign(world, voyage)

    def _check_run(self, world: World, voyage: Voyage) -> None:
        """A run that ended before its release was opened is on no ledger that the watcher reads.

        A process that crashed starts once more, as a person would let it; else it is told.
        """
        run = world.orchestrator.run(voyage.run_id)
        if run is None or run.state not in ("FAILED", "CRASHED"):
            return
        if run.state == "CRASHED" and voyage.run_id not in self._told:
            self._told[voyage.run_id] = "crashed"
            self.say(f"{voyage.scenario}: its process crashed before it began, and starts again")
            world.orchestrator.wake(voyage.run_id)
        else:
            raise UnavailableError(
                f"The release run of {voyage.model} failed before it began.",
                advice=f"Read {run.url} and {self.home / 'logs' / 'worker.log'}.",
            )

    def _sign(self, world: World, voyage: Voyage) -> None:
        request = voyage.state.request
        if request is None or self._told.get(request.request_id):
            return
        self._told[request.request_id] = "asked"
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
