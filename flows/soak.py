"""The daily look at every model between its releases: is it still what was released, and well?"""

from __future__ import annotations

from prefect import flow

from flows.between import at_rest, ruled, serves_as_released, tell_news
from policies.between import Looked, unseen
from policies.errors import SeatrialError
from policies.schema import ReleasePolicy
from tasks.ledger.record import Expected
from tasks.ledger.task import serving_expected
from tasks.orchestrator.task import world_time


@flow(
    name="soak",
    flow_run_name="soak",
    description="Every released model: what serves, traffic, errors, labels, contract and drift.",
    persist_result=False,
)
def soak() -> None:
    """One round over every model that was ever adopted or released."""
    for expected in serving_expected():
        policy, has_policy = ruled(expected)
        looks = [serves_as_released(expected)]
        if not expected.live:  # a model on trial is watched by its release
            looks += [has_policy, *look_at(expected, policy)]
        tell_news(expected, policy, looks)


def look_at(expected: Expected, policy: ReleasePolicy | None) -> list[Looked]:
    if policy is None:
        return []
    try:
        return at_rest(expected, policy, world_time(expected.model))
    except SeatrialError as error:
        return [unseen("this look", str(error))]
