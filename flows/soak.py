"""The daily look at every model between its releases: is it still what was released, and well?"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.between import at_rest, serves_as_released
from policies.between import POLICY, SERVES, Looked, unseen
from policies.errors import SeatrialError
from policies.schema import ReleasePolicy
from tasks.gate.task import watching_policy
from tasks.ledger.record import Expected
from tasks.ledger.task import news_of, record_looks, serving_expected
from tasks.notify import alarm
from tasks.notify.task import send
from tasks.orchestrator.task import world_time


@flow(
    name="soak",
    flow_run_name="soak",
    description="Every released model: what serves, traffic, errors, labels and the data contract.",
    persist_result=False,
)
def soak() -> None:
    """One round over every model that was ever adopted or released."""
    for expected in serving_expected():
        policy = watching_policy(expected.model, expected.policy)
        tell_news(expected, policy, news_of(expected, look_at(expected, policy)))


def look_at(expected: Expected, policy: ReleasePolicy | None) -> list[Looked]:
    """A model on trial is watched by its release; what serves is asked of every model."""
    looks = [serves_as_released(expected)]
    if expected.live:
        return looks
    if policy is None:
        return [*looks, unseen(POLICY, "No policy names the model: nobody says what is well.")]
    try:
        return [*looks, *at_rest(expected.model, policy, world_time(expected.model))]
    except SeatrialError as error:
        return [*looks, unseen("this look", str(error))]


def tell_news(expected: Expected, policy: ReleasePolicy | None, news: Sequence[Looked]) -> None:
    """A page for what serves; one message for everything else."""
    grave = [look for look in news if look.about == SERVES and look.status != "well"]
    found = [look for look in news if look not in grave]
    for look in grave:
        to = (policy.incident.on_call,) if policy else ()
        links = (("Runbook", policy.incident.runbook),) if policy else ()
        page = alarm.deviation(expected.model, look.why, to, links)
        record_looks(expected, [look], page, send(page, page.title))
    if found:
        to = (policy.owner,) if policy else ()
        told = alarm.between_releases(expected.model, found, to, world_time(expected.model))
        record_looks(expected, found, told, send(told, told.title))
