"""A model's place in the gateway: what must not wait for a candidate that loads slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event

from deployments.gateway.options import Options
from deployments.gateway.station import Station
from deployments.gateway.variant import Key, LoadedVariant
from policies.vocabulary import ModelRef, TrafficPlan, TrafficVariant
from tasks.traffic.flag import Kill, flag_of
from tests.unit.gateway.test_timing import Machine, Timed


def version(number: str) -> TrafficVariant:
    return TrafficVariant(ref=ModelRef(model="m", version=number), digest="sha256:" + number * 64)


PLAN = TrafficPlan(
    model="m", champion=version("1"), candidate=version("2"), weight_bp=500, revision=1
)
KILL = Kill(to="error", reason="drill", actor="ann")


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.005)


def test_a_restored_champion_does_not_wait_for_the_candidate(tmp_path: Path) -> None:
    """Nor does one of a gateway that has just started; the revision waits until all are there."""
    may_load = Event()

    def load(key: Key) -> LoadedVariant:
        if key.isolated:
            may_load.wait(10)
        return LoadedVariant(key, Timed(Machine(1)), Options(tmp_path, "test"))

    async def story() -> None:
        station = Station("m", load)
        station.want(flag_of(PLAN))
        await _until(lambda: station.active is not None)
        assert station.active is not None
        assert (station.active.weight_bp, station.active.revision) == (0, 0)
        station.want(flag_of(PLAN.model_copy(update={"revision": 2}), KILL))
        assert station.active.killed_to == "error"
        restored = {"revision": 3, "weight_bp": 0}
        station.want(flag_of(PLAN.model_copy(update=restored)))
        await _until(lambda: station.active is not None and station.active.killed_to is None)
        assert (list(station.active.variants), station.active.revision) == (["champion"], 2)
        may_load.set()
        await _until(lambda: station.active is not None and station.active.revision == 3)
        await station.close()

    asyncio.run(story())
