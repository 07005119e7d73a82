"""Requests in the registry: versions that carry the tag are released, once each.

A webhook only has this flow run sooner; what is launched is decided by what the registry and the
ledger say when it looks.
"""

from __future__ import annotations

from contextlib import suppress

from prefect import flow

from policies.errors import SeatrialError
from policies.requests import ENDED, ReleaseRequest
from tasks.ledger.task import answer_request, record_request
from tasks.orchestrator.task import find_run, launch_requested
from tasks.registry.task import requested, tell_requester


@flow(
    name="register",
    flow_run_name="register",
    description="Versions tagged seatrial.release = requested are released, once each.",
    persist_result=False,
)
def register() -> None:
    """One round over every version that carries the tag."""
    for request in requested():
        with suppress(SeatrialError):  # its task shows it as failed; the others have their turn
            attend_to(request)


def attend_to(request: ReleaseRequest) -> None:
    """Launched under a key of its own, then recorded: a crash in between launches nothing twice."""
    told = answer_request(request)
    if told.act == "ask" and find_run(told.run_id).state not in (*ENDED, None):
        return
    if told.act in ("launch", "ask"):
        run = launch_requested(request)
        record_request(request, run.run_id)
        tell_requester(request, run.run_id)
