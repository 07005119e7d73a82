"""The watcher: finds releases whose run was lost, and puts them back to work."""

from __future__ import annotations

from prefect import flow

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
        seen = find_run(release.run_id)
        act = attend(release, seen)
        if act != "leave":
            act_on(release, act)
