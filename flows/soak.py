"""The daily look after releases have closed: is what serves still what was released?"""

from __future__ import annotations

from prefect import flow

from policies.errors import UnavailableError
from tasks.ledger.record import Expected
from tasks.ledger.task import report_deviation, serving_expected
from tasks.notify import message
from tasks.notify.task import send
from tasks.traffic.task import deviation


@flow(
    name="soak",
    flow_run_name="soak",
    description="Every released model: the digest served against the digest on the ledger.",
    persist_result=False,
)
def soak() -> None:
    """One round over every model that was ever adopted or released."""
    for expected in serving_expected():
        why = deviation_of(expected)
        if why is not None and report_deviation(expected, why):
            told = message.deviation(expected.model, why)
            send(told, told.title)


def deviation_of(expected: Expected) -> str | None:
    """A model whose replicas do not answer deviates too."""
    try:
        return deviation(expected.model, expected.digest)
    except UnavailableError as error:
        return str(error)
