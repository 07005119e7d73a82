"""Circuit breakers that have opened, put on the record, and their releases woken.

The serving process has already taken the candidate out; it writes to no ledger. Here its report
becomes a fact, from which the release follows: it rolls back and opens an incident.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from policies.errors import RefusedError, SeatrialError, UnavailableError
from policies.lifecycle import Release
from policies.vocabulary import Serving
from tasks.connections import World

ACTOR = "system:control"


class OpenBreakers:
    """``live``: the live releases as the ledger has them."""

    def __init__(self, world: World, live: Callable[[], Sequence[Release]]) -> None:
        self._world, self._live = world, live

    def __call__(self) -> Sequence[str]:
        """All are recorded before the first run is woken: Prefect may be slow to answer."""
        found, faults = [], []
        for state in self._live():
            try:
                if (replica := self._opened(state)) is not None:
                    self._record(state, replica)
                    found.append((state, replica))
            except SeatrialError as fault:  # one model's trouble is not another's
                faults.append(fault)
        for state, _ in found:
            wake_run(self._world, state)
        if faults:
            raise faults[0]
        return [f"{s.release_id}: {each.replica}: {each.opened}" for s, each in found]

    def _opened(self, state: Release) -> Serving | None:
        """The first replica that says so; one on record, or of a stopped release, is no news."""
        if state.stop is not None or state.plan is None or state.plan.weight_bp == 0:
            return None
        replicas = self._world.serving.heard(state.model)  # a silent one hides no other
        return next((replica for replica in replicas if replica.opened), None)

    def _record(self, state: Release, replica: Serving) -> None:
        from tasks.ledger.record import note

        payload = {"replica": replica.replica, "why": replica.opened}
        now = self._world.clock.now(state.model)
        where = {"release_id": state.release_id, "model": state.model}
        note(self._world.ledger, "breaker_opened", payload, at=now, actor=ACTOR, **where)


def wake_run(world: World, state: Release) -> None:
    """Have a parked or suspended run go on now. The watcher does it within a minute otherwise."""
    try:
        run = world.orchestrator.run(state.run_id) if state.run_id else None
        if run is not None and run.state in ("SCHEDULED", "PAUSED"):
            world.orchestrator.wake(run.run_id)
    except (UnavailableError, RefusedError):
        return
