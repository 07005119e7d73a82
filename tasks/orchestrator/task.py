"""Waiting without a process, and the mailbox of Prefect's forms, for the flow that runs."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, Pause, PrefectHTTPStatusError
from prefect.states import Scheduled
from prefect.utilities.engine import propose_state_sync

from policies.errors import RefusedError, UnavailableError


def run_id() -> str:
    """Id of the flow run this process executes."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RefusedError("This only works inside a flow run.", advice="Launch the deployment.")
    return str(context.flow_run.id)


def park(due: datetime, because: str) -> NoReturn:
    """End this run's process now; a worker starts the run again at ``due`` (wall clock).

    Tasks of the release flow are called, not submitted, so none is under way here.
    """
    with get_client(sync_client=True) as client:
        try:
            state = propose_state_sync(
                client,
                Scheduled(name="Baking", message=because, scheduled_time=due),
                flow_run_id=UUID(run_id()),
            )
        except Abort as error:
            raise RefusedError(
                f"Prefect refused to park the run: {error}", advice="Look at the run's states."
            ) from error
    raise Pause(state=state)


def answer_of(key: str) -> str | None:
    """What was written into the form that suspended under ``key``; ``None`` while unanswered."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_flow_run_input(UUID(run_id()), key=f"suspended-{key}-response")
        except PrefectHTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise UnavailableError("Prefect did not return the form's answer.") from error
