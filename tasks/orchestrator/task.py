"""Waiting without a process, and the mailbox of Prefect's forms, for the flow that runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, Pause, PrefectHTTPStatusError
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_base_key
from prefect.states import Paused, Scheduled
from prefect.utilities.engine import propose_state_sync

from policies.errors import RefusedError, UnavailableError
from policies.lifecycle import Release
from policies.requests import ReleaseRequest
from policies.watching import Act, Seen
from tasks.connections import current
from tasks.node import node
from tasks.orchestrator.ports import Run

RELEASE_DEPLOYMENT = "release/release"
FORM = "suspended-{key}"  # under what Prefect keeps a form and its answer
_COMING = ("SCHEDULED", "PENDING")
LONGEST_NAP_SECONDS = 0.5
SHORTEST_NAP_SECONDS = 0.05


def run_id() -> str:
    """Id of the flow run this process executes."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RefusedError("This only works inside a flow run.", advice="Launch the deployment.")
    return str(context.flow_run.id)


def run_page(run_id: str | None) -> str:
    """Where people see a run and find its form."""
    ui = current().settings.prefect_ui.rstrip("/")
    return f"{ui}/runs/flow-run/{run_id}" if run_id else ui


def world_time(model: str) -> datetime:
    return current().clock.now(model)


def park_if_long(model: str, until: datetime, name: str, because: str) -> None:
    """Park when the wait is longer, in real seconds, than a wake is worth."""
    world = current()
    seconds = world.clock.real_seconds_until(model, until)
    if seconds > world.settings.park_after_seconds:
        park(datetime.now(UTC) + timedelta(seconds=seconds), name, because)


def nap(model: str, until: datetime) -> None:
    """Wait in this process, briefly: news and kills are looked for between two naps."""
    left = current().clock.real_seconds_until(model, until)
    time.sleep(min(LONGEST_NAP_SECONDS, max(SHORTEST_NAP_SECONDS, left)))


def park(due: datetime, name: str, because: str) -> NoReturn:
    """End this run's process now; a worker starts the run again at ``due`` (wall clock).

    Tasks of the release flow are called, not submitted, so none is under way here.
    """
    raise Pause(state=_proposed(Scheduled(name=name, message=because, scheduled_time=due)))


def suspend(form: type[RunInput], key: str, name: str, because: str) -> None:
    """Put a form before people and end this process; whoever answers it starts the run again.

    What ``prefect.suspend_flow_run`` does, with words for why the run waits. Returns only when
    a form was shown under this key before.
    """
    asked: State[Any] = Paused(name=name, message=because, reschedule=True, pause_key=key)
    keyset = keyset_from_base_key(FORM.format(key=key))
    asked.state_details.run_input_keyset = {str(part): name for part, name in keyset.items()}
    state = _proposed(asked)
    if state.is_running():
        return
    if not state.is_paused():
        raise RefusedError(
            f"Prefect did not suspend the run: it is {state.name}.",
            advice="Look at the run's states.",
        )
    form.save(keyset)
    raise Pause(state=state)


def _proposed(state: State[Any]) -> State[Any]:
    """The state Prefect has put this run into."""
    with get_client(sync_client=True) as client:
        try:
            return propose_state_sync(client, state, flow_run_id=UUID(run_id()))
        except Abort as error:
            raise RefusedError(
                f"Prefect refused to let the run wait: {error}",
                advice="Look at the run's states.",
            ) from error


def answer_of(key: str) -> str | None:
    """What was written into the form that suspended under ``key``; ``None`` while unanswered."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_flow_run_input(
                UUID(run_id()), key=f"{FORM.format(key=key)}-response"
            )
        except PrefectHTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise UnavailableError("Prefect did not return the form's answer.") from error


@node("find run", "how is the run of the release?")
def find_run(run_id: str | None) -> Seen:
    run = current().orchestrator.run(run_id) if run_id else None
    return Seen(state=run.state if run else None)


@node("launch", "launch the release of {request.ref}")
def launch_requested(request: ReleaseRequest) -> Run:
    """The same request launched again is the same run."""
    parameters = {
        "model": request.ref.model,
        "version": request.ref.version,
        "requester": request.requester,
    }
    return current().orchestrator.launch(RELEASE_DEPLOYMENT, parameters, key=request.key)


@node("act", "{act} {release.release_id}")
def act_on(release: Release, act: Act) -> None:
    """Wake the run it has, or have a new run take the release over."""
    orchestrator = current().orchestrator
    if act == "wake" and release.run_id is not None:
        orchestrator.wake(release.run_id)
        return
    if any(
        run.parameters.get("release_id") == release.release_id and run.state in _COMING
        for run in orchestrator.runs(RELEASE_DEPLOYMENT)
    ):
        return  # the run that takes over has not begun yet: one is enough
    parameters = {
        "model": release.model,
        "version": release.version,
        "requester": release.requester,
        "release_id": release.release_id,
    }
    name = f"{release.model} v{release.version} (taken over)"
    orchestrator.launch(RELEASE_DEPLOYMENT, parameters, name=name)
