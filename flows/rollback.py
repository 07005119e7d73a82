"""What follows a rollback, once the candidate is out of traffic."""

from __future__ import annotations

from prefect import flow

from flows.incident import incident
from tasks.ledger.task import quarantine, release_of
from tasks.registry.task import CHAMPION_ALIAS, set_alias


@flow(
    name="rollback",
    flow_run_name="rollback {release_id}",
    description="Alias back, artefact quarantined, incident opened. Traffic has already moved.",
    persist_result=False,
)
def rollback(release_id: str) -> None:
    """Safe to run twice: every act looks first whether it is done."""
    state = release_of(release_id)
    if state.champion is not None:
        set_alias(state.champion.ref, CHAMPION_ALIAS)
    reason = state.containment.reason if state.containment else "rolled back"
    if state.artefact is not None:
        quarantine(state, reason)
    incident(release_id)
