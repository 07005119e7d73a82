"""What the control service asks by itself every few seconds, without Prefect.

The release run watches the model; this watches the run. What is due is the composition's
business: ``create_app`` takes any function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from policies.errors import SeatrialError

DueChecks = Callable[[], Sequence[str]]  # what was found and done, one sentence each


def due_checks() -> Sequence[str]:
    """Nothing is checked yet: leases and due dates come here."""
    return ()


class Watch:
    """Runs the checks one after the other in a thread; ``fault`` says why the last one failed."""

    def __init__(self, checks: DueChecks, every_seconds: float) -> None:
        self._checks, self._every_seconds = checks, every_seconds
        self.fault: str | None = None
        self.found: Sequence[str] = ()

    async def run(self) -> None:
        while True:
            try:
                self.found = await asyncio.to_thread(self._checks)
                self.fault = None
            except SeatrialError as error:
                self.fault = str(error)
            await asyncio.sleep(self._every_seconds)
