"""What follows a rollback, once the candidate is out of traffic."""

from __future__ import annotations

from prefect import flow

from flows.incident import incident
from policies.lifecycle import Release
from policies.vocabulary import Finding
from tasks.ledger.task import quarantine, release_of


@flow(
    name="rollback",
    flow_run_name="rollback {release_id}",
    description="Artefact quarantined, incident opened, people called. Traffic has already moved.",
    persist_result=False,
)
def rollback(release_id: str) -> None:
    """Safe to run twice: every act looks first whether it is done."""
    state = release_of(release_id)
    reason = state.containment.reason if state.containment else "rolled back"
    if is_suspect(state):
        quarantine(state, reason)
    incident(release_id)


def is_suspect(state: Release) -> bool:
    """Stopped while users met it, or shown to be harmful; a stop in shadow may be for others."""
    served = state.plan is not None and state.plan.weight_bp > 0
    harmful = state.containment is not None and state.containment.finding is Finding.HARMFUL
    return state.artefact is not None and (served or harmful)
