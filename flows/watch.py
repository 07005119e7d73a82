"""The watcher: finds releases whose run was lost, and puts them back to work."""

from __future__ import annotations

from contextlib import suppress

from prefect import flow

from policies.errors import SeatrialError
from policies.lifecycle import Release
from tasks.ledger.task import attend, live
from tasks.orchestrator.task import act_on, find_run


@flow(
    name="watch",
    flow_run_name="watch",
    description="Crashed, lost, cancelled and overdue releases go on; what it did is recorded.",
    persist_result=False,
)
def watch() -> None:
    """One round over every live release."""
    for release in live():
        with suppress(SeatrialError):  # its task shows it as failed; the others have their turn
            attend_to(release)


def attend_to(release: Release) -> None:
    act = attend(release, find_run(release.run_id))
    if act != "leave":
        act_on(release, act)
