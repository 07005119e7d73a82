"""Prefect as the orchestrator: launch, find and wake runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from policies.errors import RefusedError, UnavailableError
from tasks.orchestrator.ports import Run

_UNFINISHED = [state for state in StateType if state is not StateType.COMPLETED]


class PrefectOrchestrator:
    """A Prefect server at ``api``; ``ui`` is where people look at it."""

    def __init__(self, api: str, ui: str) -> None:
        self._api = api
        self._ui = ui.rstrip("/")

    def launch(
        self, deployment: str, parameters: dict[str, Any], *, name: str = "", key: str = ""
    ) -> Run:
        with self._client() as client:
            found = client.read_deployment_by_name(deployment)
            given = {key: value for key, value in parameters.items() if value is not None}
            run = client.create_flow_run_from_deployment(
                found.id, parameters=given, name=name or None, idempotency_key=key or None
            )
            return self._told(run)

    def wake(self, run_id: str) -> Run:
        with self._client() as client:
            woken: State[Any] = Scheduled(name="Woken")
            result: OrchestrationResult[Any] = client.set_flow_run_state(UUID(run_id), woken)
            if result.status.value not in ("ACCEPT", "WAIT"):
                reason = getattr(result.details, "reason", None) or result.status.value
                raise RefusedError(
                    f"Prefect did not wake run {run_id}: {reason}.",
                    advice="Look at the run in the Prefect UI.",
                )
            return self._told(client.read_flow_run(UUID(run_id)))

    def run(self, run_id: str) -> Run | None:
        with self._client() as client:
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run_id)]))
            found = client.read_flow_runs(flow_run_filter=wanted, limit=1)
            return self._told(found[0]) if found else None

    def runs(self, deployment: str) -> Sequence[Run]:
        with self._client() as client:
            found = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
                ),
                deployment_filter=DeploymentFilter(
                    name=DeploymentFilterName(any_=[deployment.split("/")[-1]])
                ),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=200,
            )
            return [self._told(run) for run in found]

    def _told(self, run: FlowRun) -> Run:
        state = run.state
        return Run(
            run_id=str(run.id),
            name=run.name,
            state=state.type.value if state else "UNKNOWN",
            state_name=(state.name or "") if state else "",
            due=state.state_details.scheduled_time if state else None,
            parameters=run.parameters or {},
            url=f"{self._ui}/runs/flow-run/{run.id}",
        )

    @contextmanager
    def _client(self) -> Iterator[SyncPrefectClient]:
        with (
            temporary_settings({PREFECT_API_URL: self._api}),
            _translated(self._api),
            get_client(sync_client=True) as client,
        ):
            yield client


@contextmanager
def _translated(api: str) -> Iterator[None]:
    try:
        yield
    except ObjectNotFound as error:
        raise RefusedError(
            "Prefect does not know this run or deployment.",
            advice="Run `seatrial up`: it registers the deployments of prefect.yaml.",
        ) from error
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        kind = UnavailableError if status >= 500 else RefusedError
        raise kind(
            f"Prefect answered {status}: {error.response.text[:300]}",
            advice="Look at the Prefect server's log, or run `seatrial doctor`.",
        ) from error
    except (httpx.TransportError, RuntimeError) as error:
        raise UnavailableError(
            f"Prefect is not reachable at {api}.", advice="Run `seatrial up` or `seatrial doctor`."
        ) from error
