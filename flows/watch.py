"""The watcher: puts lost releases back to work, and calls people about pauses that last."""

from __future__ import annotations

from contextlib import suppress

from prefect import flow

from policies.errors import SeatrialError
from policies.lifecycle import Release
from tasks.approval.task import missing_sign_offs
from tasks.ledger.task import (
    attend,
    live,
    pause_of,
    raise_alarm,
    record_call,
    record_delivered,
)
from tasks.notify import alarm
from tasks.notify.task import deliver_waiting, send
from tasks.orchestrator.task import act_on, find_run


@flow(
    name="watch",
    flow_run_name="watch",
    description="Crashed, lost, cancelled and overdue releases go on; people hear of long pauses.",
    persist_result=False,
)
def watch() -> None:
    """One round over every live release, then over what could not be told before."""
    for release in live():
        with suppress(SeatrialError):  # its task shows it as failed; the others have their turn
            attend_to(release)
        with suppress(SeatrialError):
            call_about(release)
    for late in deliver_waiting():
        record_delivered(late.title, late.thread, late.where)


def attend_to(release: Release) -> None:
    act = attend(release, find_run(release.run_id))
    if act != "leave":
        act_on(release, act)


def call_about(release: Release) -> None:
    """One alert a pause, told to whoever can end it; escalated once if nobody acts."""
    found = pause_of(release, missing_sign_offs(release))
    if found is not None:
        raise_alarm(release, found)
        told = alarm.paused(release, found)
        record_call(release, found, told, send(told, told.title))
