"""An incident that nothing proves yet: no release was stopped and nothing has failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from policies.between import ACTOR, Looked
from policies.schema import ReleasePolicy
from policies.severity import Level
from policies.vocabulary import Entry, Value


class Suspected(Value):
    """The payload of an entry ``incident`` that belongs to a model and to no release."""

    incident_id: str
    severity: Level = "SEV4"  # the lowest: it calls nobody at night and moves nothing
    severity_reason: str = "It is suspected: no harm is shown."
    title: str
    about: str  # the question of the daily look that raised it
    reason: str
    model: str
    on_call: str
    runbook: str
    opened_at: datetime
    status: Literal["suspected"] = "suspected"


def suspected_of(model: str, look: Looked, policy: ReleasePolicy, now: datetime) -> Suspected:
    return Suspected(
        incident_id=f"inc-{model}-{now:%Y%m%d%H%M%S}",
        title=f"{model}: {look.about}",
        about=look.about,
        reason=look.why,
        model=model,
        on_call=policy.incident.on_call,
        runbook=policy.incident.runbook,
        opened_at=now,
    )


def standing(about: str, entries: Sequence[Entry]) -> Suspected | None:
    """The suspicion that still stands: nothing said since that what raised it is well again.

    ``entries`` are the model's. Another version in service is another suspicion.
    """
    last: Suspected | None = None
    for entry in entries:
        payload = entry.payload
        over = entry.kind == "alert_over" and entry.actor == ACTOR and payload.get("about") == about
        if over or entry.kind in ("adopted", "promoted"):
            last = None
        if entry.kind == "incident" and payload.get("status") == "suspected":
            found = Suspected.model_validate(payload)
            last = found if found.about == about else last
    return last
