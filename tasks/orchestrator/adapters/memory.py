"""An orchestrator without processes: runs are values, and whoever holds it carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from policies.errors import RefusedError
from tasks.orchestrator.ports import Run

_ENDED = ("COMPLETED", "CANCELLED", "CANCELLING")


class MemoryOrchestrator:
    """Remembers what was launched and woken; ``put`` says how a run is doing."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[str, Run]] = {}
        self._keys: dict[tuple[str, str], str] = {}

    def put(self, deployment: str, run: Run) -> None:
        """A run as it is now."""
        self._runs[run.run_id] = (deployment, run)

    def launch(
        self, deployment: str, parameters: dict[str, Any], *, name: str = "", key: str = ""
    ) -> Run:
        if key and (deployment, key) in self._keys:
            return self._runs[self._keys[deployment, key]][1]
        run = Run(
            run_id=str(uuid4()),
            name=name or deployment,
            state="SCHEDULED",
            state_name="Scheduled",
            due=None,
            parameters={key: value for key, value in parameters.items() if value is not None},
        )
        self.put(deployment, run)
        if key:
            self._keys[deployment, key] = run.run_id
        return run

    def wake(self, run_id: str) -> Run:
        deployment, run = self._known(run_id)
        if run.state in _ENDED:
            raise RefusedError(
                f"Run {run_id} has ended ({run.state_name}) and does not wake.",
                advice="Launch a new run; with release_id it takes the release over.",
            )
        woken = run.model_copy(update={"state": "SCHEDULED", "state_name": "Woken", "due": None})
        self.put(deployment, woken)
        return woken

    def run(self, run_id: str) -> Run | None:
        return self._runs[run_id][1] if run_id in self._runs else None

    def runs(self, deployment: str) -> Sequence[Run]:
        ours = [run for where, run in self._runs.values() if where == deployment]
        return [run for run in reversed(ours) if run.state != "COMPLETED"]

    def _known(self, run_id: str) -> tuple[str, Run]:
        if run_id not in self._runs:
            raise RefusedError(f"There is no run {run_id}.", advice="Look at the launched runs.")
        return self._runs[run_id]
