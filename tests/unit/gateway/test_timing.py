"""Timed calls: what else the machine does must slow both models, or neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.gateway.model import Answer, ModelFault
from deployments.gateway.options import Options
from deployments.gateway.signature import Column
from deployments.gateway.variant import Key, LoadedVariant
from policies.schema import ServingCheck
from tasks.evaluation.serving import latency_check

RULES = ServingCheck(latency_ratio=3.0, latency_floor_ms=1.0, memory_mb=512)
QUIET_MS, BUSY_MS = 10.0, 70.0


@dataclass
class Machine:
    """Becomes seven times as slow after ``quiet`` calls, whoever makes them."""

    quiet: int
    calls: int = 0

    def ms(self) -> float:
        self.calls += 1
        return QUIET_MS if self.calls <= self.quiet else BUSY_MS


@dataclass
class Timed:
    """Answers everything; its time is the machine's."""

    machine: Machine
    fails_after: int = 1000
    digest: str = "sha256:" + "0" * 64
    columns: tuple[Column, ...] = ()
    shows_features: bool = False
    minds_mirrors: bool = False
    asked: list[int] = field(default_factory=list)

    def score_each(self, rows: Any, *, mirrored: bool = False) -> list[Answer]:
        return [Answer(0.5, None)] * len(rows)

    def features(self, rows: Any) -> list[dict[str, Any]]:
        return []

    def time_each(self, row: Any, calls: int) -> list[float]:
        if sum(self.asked) >= self.fails_after:
            raise ModelFault("gone")
        self.asked.append(calls)
        return [self.machine.ms() for _ in range(calls)]


def loaded(scorer: Timed, home: Path) -> LoadedVariant:
    return LoadedVariant(Key(scorer.digest, isolated=False), scorer, Options(home, "test"))


def test_a_machine_that_becomes_busy_slows_both(tmp_path: Path) -> None:
    """Two equal models stay equal although the machine gets busy after a third of the calls."""
    machine = Machine(quiet=27)
    new, old = loaded(Timed(machine), tmp_path), loaded(Timed(machine), tmp_path)
    try:
        probe = new.probe([{"x": 1.0}], 40, features=False, champion=old)
    finally:
        new.end()
        old.end()
    assert (len(probe.latency_ms), len(probe.champion_ms)) == (40, 40)
    assert machine.calls == 80
    assert latency_check(RULES, probe.champion_ms, probe.latency_ms).effect == 1.0


def test_a_call_that_fails_leaves_nothing_timed(tmp_path: Path) -> None:
    """Half a comparison is none: the check is scarce then."""
    machine = Machine(quiet=1000)
    new, old = loaded(Timed(machine), tmp_path), loaded(Timed(machine, fails_after=8), tmp_path)
    try:
        probe = new.probe([{"x": 1.0}], 40, features=False, champion=old)
    finally:
        new.end()
        old.end()
    assert probe.latency_ms == probe.champion_ms == ()
    assert latency_check(RULES, probe.champion_ms, probe.latency_ms).status == "scarce"
