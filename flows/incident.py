"""An incident: severity, people told, timeline and the draft of the post-mortem."""

from __future__ import annotations

from prefect import flow

from tasks.incidents.task import draft_post_mortem, is_paged, open_incident, record_page
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
    if not is_paged(opened):
        page = message.page(opened)
        record_page(opened, page, send(page, page.title))
    draft_post_mortem(release_id)
