"""An incident: severity, people told, timeline and the draft of the post-mortem."""

from __future__ import annotations

from prefect import flow

from tasks.incidents.task import draft_post_mortem, open_incident
from tasks.notify import message
from tasks.notify.task import send


@flow(
    name="incident",
    flow_run_name="incident of {release_id}",
    description="Contained first; now recorded, told to whoever is on call, and learned from.",
    persist_result=False,
)
def incident(release_id: str) -> None:
    """Open the incident of a release once; running it again writes the draft anew."""
    opened = open_incident(release_id)
    if opened is not None:
        page = message.page(opened)
        send(page, page.title)
    draft_post_mortem(release_id)
