"""Bring the embedded stack up and take it down."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.stack import deploying, leftovers
from deployments.stack.addresses import (
    free_ports,
    gateways_of,
    holder,
    write_settings,
    write_tokens,
)
from deployments.stack.parts import (
    CONTROL,
    MLFLOW,
    PREFECT,
    ROOT,
    WORKER,
    Part,
    environment,
    mark,
    parts,
)
from deployments.stack.processes import Roster, start, stop, uninterrupted
from policies.errors import RefusedError, UnavailableError
from tasks.connections import Settings

Say = Callable[[str], None]
SLOW_TO_START = (PREFECT, MLFLOW)  # begun first: on two cores the rest would only slow them


@dataclass(frozen=True)
class Stack:
    """One home's processes and addresses."""

    home: Path
    ports: Mapping[str, int]
    say: Say
    gateways: int = 1
    regrouped: bool = False  # another number of gateway processes than last time

    @property
    def roster(self) -> Roster:
        return Roster(self.home / "stack.json")

    def start_all(self) -> None:
        """What takes longest first; what needs Prefect as soon as it answers.

        The worker comes last: its first polls and the registering of deployments would wait for
        one another in Prefect's database, now and then for a minute.
        """
        every = parts(self.gateways)
        self.end_surplus(every)
        if self.regrouped:  # it watches the processes that it knew when it started
            stop(row for name, row in self.roster.read().items() if name == CONTROL.name)
        for part in SLOW_TO_START:
            self.ensure(part)
        self.wait_for(PREFECT)
        deploying.create_pool(self.ports["prefect"])
        if not self.runs(WORKER):
            self.end_lost_runs()
        for part in every:
            if part is not WORKER:
                self.ensure(part)
        if not deploying.is_current(self.home, self.ports["prefect"]):
            self.say("registering the deployments")
            deploying.deploy(self.home, self.ports)
        self.ensure(WORKER)
        for part in every:
            if part is not PREFECT:
                self.wait_for(part)

    def end_surplus(self, wanted: tuple[Part, ...]) -> None:
        """Gateway processes of a larger number than is wanted now."""
        names = {part.name for part in wanted}
        rows = self.roster.read().values()
        stop(row for row in rows if row.name not in names)
        self.roster.write(row for row in rows if row.name in names)

    def runs(self, part: Part) -> bool:
        known = self.roster.read().get(part.name)
        return known is not None and known.process() is not None

    def end_lost_runs(self) -> None:
        """Before the worker starts any: those of the last one are over, or have a process."""
        lost = leftovers.crash_lost_runs(f"http://127.0.0.1:{self.ports['prefect']}/api")
        if lost:
            self.say(f"{lost} runs ended with the stack; the watcher takes them up again")

    def ensure(self, part: Part) -> None:
        """Start it unless it runs, in place of whatever a killed one has left behind."""
        if self.runs(part):
            return
        known = self.roster.read().get(part.name)
        if known is not None and part.has_port:
            stop([known])
        port = self.ports.get(part.name)
        if port is not None and (taken := holder(port)) is not None:
            raise RefusedError(
                f"Port {port} of the {part.name} is taken by {taken}.",
                advice=f"Stop that program, or delete {self.home / 'ports.json'} "
                "so that `seatrial up` picks free ports.",
            )
        self.say(f"starting {part.name}")
        with uninterrupted():
            row = start(
                part.name,
                part.command(self.home, self.ports),
                log=self.home / "logs" / f"{part.name}.log",
                environment=environment(self.home, self.ports),
                folder=ROOT,
                port=port,
                mark=mark(self.home, part.name),
            )
            self.roster.add(row)

    def wait_for(self, part: Part) -> None:
        advice = f"Read {self.home / 'logs' / f'{part.name}.log'}."
        deadline = time.monotonic() + part.patience_seconds
        while time.monotonic() < deadline:
            row = self.roster.read().get(part.name)
            if row is None or row.process() is None:
                raise UnavailableError(
                    f"The {part.name} stopped while starting: {part.advice}?", advice=advice
                )
            if part.is_well(self.ports, row.started):
                self.say(f"{part.name} is well")
                return
            time.sleep(0.2)
        raise UnavailableError(
            f"The {part.name} did not answer within {part.patience_seconds:g} s.", advice=advice
        )


def up(
    home: Path, say: Say, *, park_after_seconds: float | None = None, gateways: int | None = None
) -> Settings:
    """Start what is not running, wait until each part is well, register the deployments.

    May be called again at any time. When a part does not come up, or on Ctrl-C, what this call
    started is stopped again.
    """
    make_home(home)
    with _alone(home):
        roster = Roster(home / "stack.json")
        before = roster.read()
        number = gateways_of(home, gateways)
        regrouped = number != gateways_of(home, None)
        ports = free_ports(home, before.values(), number)
        write_tokens(home)
        settings = write_settings(home, ports, park_after_seconds, number)
        try:
            Stack(home, ports, say, number, regrouped).start_all()
        except BaseException:
            with uninterrupted():  # a second Ctrl-C does not leave it half alive
                stop(row for row in roster.read().values() if before.get(row.name) != row)
                roster.write(r for r in roster.read().values() if before.get(r.name) == r)
            raise
    return settings


def down(home: Path) -> tuple[list[str], list[str]]:
    """Stop exactly what ``up`` started; returns (stopped, still alive)."""
    if not home.is_dir():
        return [], []
    with _alone(home):
        roster = Roster(home / "stack.json")
        rows = list(roster.read().values())
        alive = stop(reversed(rows))
        roster.write(row for row in rows if row.name in alive)
    return [row.name for row in rows if row.name not in alive], alive


def make_home(home: Path) -> None:
    """For its owner alone: requests, people and the record lie there. An existing one is kept."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedError(
            f"The home {home} cannot be made: {error.strerror}.",
            advice="Name a folder that you may write to with --home.",
        ) from error


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One ``up`` or ``down`` a home at a time: two would start everything twice."""
    try:
        descriptor = os.open(home / "stack.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RefusedError(
            f"The home {home} cannot be written: {error.strerror}.",
            advice="Name a folder that you may write to with --home.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RefusedError(
            f"Another `seatrial up` or `down` is at work in {home}.",
            advice="Wait until it has ended, then repeat the command.",
        ) from error
    finally:
        os.close(descriptor)
