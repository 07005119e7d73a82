"""Between releases: what is found, what is not observed, and what of it is news."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.between import ACTOR, Looked, judge_labels, judge_level, news
from policies.loader import find
from policies.schema import Guardrail
from policies.vocabulary import Counts, Entry

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEDIUM = find("medium").policy
ERRORS = next(rail for rail in MEDIUM.guardrails if rail.name == "errors")
ABOUT = st.sampled_from(["errors", "labels", "traffic"])
STATUS = st.sampled_from(["well", "found", "not observed"])
LOOKS = st.lists(
    st.builds(Looked, about=ABOUT, status=STATUS, why=st.just("w")),
    unique_by=lambda look: look.about, max_size=3,
)  # fmt: skip


def entry(look: Looked) -> Entry:
    kind = "alert_over" if look.status == "well" else "alert"
    payload = {"about": look.about, "status": look.status}
    return Entry(kind=kind, model="m", actor=ACTOR, at=NOON, payload=payload)


@pytest.mark.parametrize(
    ("n", "events", "status"),
    [
        (0, 0, "not observed"),
        (19, 19, "not observed"),  # too few to say anything about a share
        (20, 0, "well"),
        (100, 4, "well"),  # the level is 2 %: chance alone
        (100, 5, "found"),
        (10_000, 228, "well"),
        (10_000, 229, "found"),
        (10_000, 10_000, "found"),
    ],
)
def test_a_level_is_passed_by_more_than_chance(n: int, events: int, status: str) -> None:
    """No answers are not observed, never well; one unlucky answer is no finding."""
    judged = judge_level(ERRORS, Counts(n=n, events=events))
    assert judged is not None and judged.status == status


def test_a_guardrail_without_a_level_is_not_judged() -> None:
    """Margins compare two models: between releases they say nothing."""
    none = ERRORS.model_copy(update={"at_most": None})
    assert judge_level(none, Counts(n=100, events=100)) is None
    with pytest.raises(ValueError, match="at_most belongs to"):
        Guardrail.model_validate(MEDIUM.guardrails[0].model_dump() | {"at_most": 0.1})


@pytest.mark.parametrize(
    ("rows", "labelled", "status"),
    [(0, 0, "not observed"), (19, 19, "not observed"), (100, 94, "found"), (100, 95, "well")],
)
def test_labels_keep_arriving(rows: int, labelled: int, status: str) -> None:
    """By the policy's own least share of labels in time."""
    rules = MEDIUM.labels.model_copy(update={"min_maturity": 0.95})
    assert judge_labels(rules, rows, labelled).status == status


@given(LOOKS, LOOKS)
def test_nothing_is_told_twice_and_no_change_is_missed(
    yesterday: list[Looked], today: list[Looked]
) -> None:
    """What was told is on record; told again it is no news, and whatever differs is."""
    known = [entry(look) for look in news(yesterday, [])]
    told = news(today, known)
    assert news(today, [*known, *map(entry, told)]) == ()
    before = {look.about: look.status for look in yesterday}
    assert {look.about for look in told} == {
        look.about for look in today if look.status != before.get(look.about, "well")
    }


def test_alerts_of_others_are_not_the_daily_looks_own() -> None:
    """A pause of a release says nothing about the labels."""
    found = Looked(about="labels", status="found", why="w")
    other = entry(found).model_copy(update={"actor": "system:watch"})
    assert news([found], [other]) == (found,)
