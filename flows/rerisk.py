"""Once a month: whose risk has to be judged anew, and what has changed since it was."""

from __future__ import annotations

from prefect import flow

from flows.between import ruled, tell_news
from policies.schema import ReleasePolicy
from tasks.documents.task import write_packet
from tasks.ledger.record import Expected
from tasks.ledger.task import find_review, record_review_due, serving_expected
from tasks.notify import alarm
from tasks.notify.task import send


@flow(
    name="rerisk",
    flow_run_name="rerisk",
    description="Models whose risk review is older than their policy allows; owners get a packet.",
    persist_result=False,
)
def rerisk() -> None:
    """One round over every model in service. `seatrial review` ends what it asks for."""
    for expected in serving_expected():
        policy, has_policy = ruled(expected)
        if policy is None:
            tell_news(expected, None, [has_policy])
        elif policy.rerisk_months is not None:
            ask_for_review(expected, policy, policy.rerisk_months)


def ask_for_review(expected: Expected, policy: ReleasePolicy, months: int) -> None:
    due = find_review(expected, months)
    if due is None:
        return
    packet = write_packet(expected.model, due, policy.tier)
    told = alarm.review_due(expected.model, due.why, packet.counts, packet.place, (policy.owner,))
    record_review_due(expected, due, packet.place, packet.digest, send(told, told.title))
