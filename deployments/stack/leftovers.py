"""Runs that ended together with the stack, so that nobody could say so."""

from __future__ import annotations

import httpx
import psutil

from policies.errors import UnavailableError

RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"  # Prefect's worker sets it for the process of a run
WHY = "Its process ended with the stack."


def crash_lost_runs(api: str) -> int:
    """Mark as crashed what Prefect takes for under way though no process here executes it.

    Only while no worker runs: a worker sees its own runs crash. When it ended with them (Ctrl-C, a
    restart of the machine), the watcher would have to wait until their leases run out; and one
    run of the watcher that was submitted and never began would keep its only place for ever.
    Returns how many were found.
    """
    try:
        executed = _executed()
        lost = [run for run in _under_way(api) if run not in executed]
        for run in lost:
            state = {"state": {"type": "CRASHED", "name": "Crashed", "message": WHY}, "force": True}
            httpx.post(
                f"{api}/flow_runs/{run}/set_state", json=state, timeout=30
            ).raise_for_status()
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"Prefect stopped answering: {error}", advice="Read logs/prefect.log in the home."
        ) from error
    return len(lost)


def _under_way(api: str) -> list[str]:
    asked = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}}
    told = httpx.post(f"{api}/flow_runs/filter", json=asked, timeout=30).raise_for_status()
    return [str(run["id"]) for run in told.json()]


def _executed() -> set[str]:
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(process.environ().get(RUN_VARIABLE, ""))
        except (psutil.Error, OSError):  # somebody else's, or gone meanwhile
            continue
    return found
