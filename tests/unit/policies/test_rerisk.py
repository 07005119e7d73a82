"""A risk review is due by the calendar, and at once after grave harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.loader import CATALOG, files, load
from policies.rerisk import months_after, review_due
from policies.schema import ReleasePolicy
from policies.vocabulary import Entry

BEGAN = datetime(2025, 8, 31, 9, tzinfo=UTC)
MOMENTS = st.integers(0, 100 * 365 * 24).map(lambda hours: BEGAN + timedelta(hours=hours))


def ledger(*told: tuple[str, dict[str, Any], datetime]) -> list[Entry]:
    return [
        Entry(seq=n, kind=kind, model="m", actor="a", at=at, payload=payload)
        for n, (kind, payload, at) in enumerate(told, 1)
    ]


ADOPTED: tuple[str, dict[str, Any], datetime] = ("adopted", {}, BEGAN)
LATER = BEGAN + timedelta(days=10)


@pytest.mark.parametrize(
    ("entries", "now", "why"),
    [
        ([], BEGAN, None),
        ([ADOPTED], datetime(2026, 2, 28, 8, tzinfo=UTC), None),
        ([ADOPTED], datetime(2026, 2, 28, 9, tzinfo=UTC), "Never reviewed, and in service since"),
        ([ADOPTED, ("risk_reviewed", {}, LATER)], datetime(2026, 3, 1, tzinfo=UTC), None),
        ([ADOPTED, ("risk_reviewed", {}, LATER)], datetime(2026, 3, 11, tzinfo=UTC),
         "Last reviewed on 2025-09-10"),
        ([ADOPTED, ("risk_review_due", {}, LATER)], datetime(2030, 1, 1, tzinfo=UTC), None),
        ([ADOPTED, ("incident", {"severity": "SEV2"}, LATER)], LATER, "A SEV2 incident"),
        ([ADOPTED, ("incident", {"severity": "SEV3"}, LATER)], LATER, None),
        ([ADOPTED, ("incident", {"severity": "SEV1"}, LATER), ("risk_reviewed", {}, LATER)],
         LATER, None),
    ],
)  # fmt: skip
def test_when_a_review_is_due(
    entries: list[tuple[str, dict[str, Any], datetime]], now: datetime, why: str | None
) -> None:
    """Six months after the last one, on the day itself; told once until somebody reviews."""
    due = review_due(6, ledger(*entries), now)
    assert (due is None) if why is None else (due is not None and due.why.startswith(why))


@given(MOMENTS, st.integers(1, 24))
def test_months_are_the_calendars(moment: datetime, months: int) -> None:
    """The same day of a later month, or its last; time and zone stay."""
    after = months_after(moment, months)
    assert (after.year - moment.year) * 12 + after.month - moment.month == months
    assert after.day == moment.day or (after + timedelta(days=1)).day == 1
    assert after.timetz() == moment.timetz()


def test_every_tier_asks_for_reviews_within_a_year() -> None:
    """Six to twelve months, and riskier tiers no later than milder ones."""
    policies = [load(path).policy for path in files(CATALOG)]
    months = {policy.tier: policy.rerisk_months for policy in policies}
    order = [months[tier] for tier in ("low", "medium", "high", "regulated")]
    assert all(each in range(6, 13) for each in order if each)
    assert None not in order and order == sorted(order, reverse=True)
    for wrong in (5, 13, 0):
        document = policies[0].model_dump() | {"rerisk_months": wrong}
        with pytest.raises(ValidationError):
            ReleasePolicy.model_validate(document)
