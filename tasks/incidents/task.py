"""The incident's nodes on the graph."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from policies.between import Looked
from policies.lifecycle import fold
from policies.schema import ReleasePolicy
from policies.vocabulary import Entry, Message
from tasks.connections import current
from tasks.incidents.incident import Incident, incident_of
from tasks.incidents.post_mortem import draft
from tasks.incidents.rendering import render
from tasks.incidents.suspected import Suspected, standing, suspected_of
from tasks.node import node

ACTOR = "system:incident"


@node("open incident", "open the incident of {release_id}")
def open_incident(release_id: str) -> Incident:
    """Record it; a release that has its incident already keeps that one."""
    world = current()
    entries = world.ledger.entries(release_id=release_id)
    known = next((entry for entry in entries if entry.kind == "incident"), None)
    if known is not None:
        return Incident.model_validate(known.payload)
    state = fold(entries)
    now = world.clock.now(state.model)
    opened = incident_of(state, now)
    world.ledger.append(
        Entry(
            kind="incident",
            release_id=release_id,
            model=state.model,
            actor=ACTOR,
            at=now,
            payload=opened.plain(),
        )
    )
    return opened


@node("open suspected incident", "suspect an incident of {model}")
def open_suspected(model: str, look: Looked, policy: ReleasePolicy) -> Suspected:
    """Recorded once, until what raised the suspicion is well again. Nothing is moved by it."""
    world = current()
    entries = world.ledger.entries(model=model)
    known = standing(look.about, entries)
    if known is not None:
        return known
    now = world.clock.now(model)
    opened = suspected_of(model, look, policy, now)
    world.ledger.append(
        Entry(kind="incident", model=model, actor=ACTOR, at=now, payload=opened.plain())
    )
    return opened


@node("is it paged?", "was anybody called for {incident.incident_id}?")
def is_paged(incident: Incident) -> bool:
    """For this incident: a page about an overdue look days ago called nobody for it."""
    entries = current().ledger.entries(release_id=incident.release_id)
    return any(
        e.kind == "notified" and e.payload.get("incident_id") == incident.incident_id
        for e in entries
    )


@node("record page", "record who was called for {incident.release_id}")
def record_page(incident: Incident, page: Message, where: str) -> None:
    """Only now is it known that somebody was called: a run that starts again calls nobody twice."""
    world = current()
    world.ledger.append(
        Entry(
            kind="notified",
            release_id=incident.release_id,
            model=incident.model,
            actor=ACTOR,
            at=world.clock.now(incident.model),
            payload={
                "kind": page.kind,
                "title": page.title,
                "where": where,
                "incident_id": incident.incident_id,
            },
        )
    )


@node("draft post-mortem", "draft the post-mortem of {release_id}")
def draft_post_mortem(release_id: str) -> str:
    """The draft with everything the ledger knows, and questions for what only people know."""
    world = current()
    entries = world.ledger.entries(release_id=release_id)
    opened = next(e for e in entries if e.kind == "incident")
    incident = Incident.model_validate(opened.payload)
    text = render(draft(incident, entries, world.clock.now(incident.model)))
    folder = world.home.path / "documents" / release_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "post_mortem.md").write_text(text, encoding="utf-8")
    create_markdown_artifact(text, key=f"post-mortem-{release_id}", description=incident.title)
    return text
