"""The model card: honest about what it does not know."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from policies.errors import EvidenceError
from policies.loader import find
from policies.vocabulary import Entry
from tasks.documents.document import Document
from tasks.documents.model_card import FIVE_QUESTIONS, HUMAN_FIELDS, model_card, unanswered
from tasks.documents.rendering import as_json, render

Story = Callable[..., list[Entry]]
MITCHELL = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]


def test_no_release_is_an_error() -> None:
    """There is no card of nothing."""
    with pytest.raises(EvidenceError):
        model_card([])


def test_the_nine_sections_in_order(entries: list[Entry]) -> None:
    """Mitchell's sections, all of them, also when they are empty."""
    assert [section.title for section in model_card(entries).sections] == MITCHELL


def test_a_release_that_has_only_just_opened_has_a_card(entries: list[Entry]) -> None:
    """Before any look the results are missing, not invented."""
    card = model_card(entries[:1])
    assert {"staging_checks", "live_guardrails", "evaluation_data"} <= set(card.missing())
    assert "How does it perform?" in unanswered(card)


def test_what_nobody_wrote_is_missing_and_counted(entries: list[Entry]) -> None:
    """Every human field without its tag is missing, and the page says how many are."""
    card = model_card(entries)
    assert set(HUMAN_FIELDS) <= set(card.missing())
    page = render(card)
    assert page.count("**missing.**") == card.counts()["missing"] == len(card.missing())
    assert f"{len(card.missing())} missing" in page
    assert "This card is not complete" in page
    assert "More Information Needed" not in page


def test_a_complete_card_answers_the_five_questions(make_story: Story) -> None:
    """With its author's answers the card leaves none of the five questions open."""
    card = model_card(make_story(**{f"card.{key}": f"About {key}." for key in HUMAN_FIELDS}))
    assert unanswered(card) == ()
    assert not set(HUMAN_FIELDS) & set(card.missing())
    assert "answers the five questions" in render(card)


def test_groups_that_a_guardrail_watches_are_on_the_card(entries: list[Entry]) -> None:
    """By which column a model was judged, and the margin of each group."""
    policy = find("doctor-visits").policy.model_dump(mode="json")
    opened = entries[0].model_copy(
        update={"payload": entries[0].payload | {"policy_document": policy}}
    )
    page = render(model_card([opened]))
    assert "**Evaluated by:** physical_limitation" in page
    assert "| quality · gap of physical_limitation yes | log_loss | 0.1 |" in page


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_blank_text_is_no_answer(make_story: Story, blank: str) -> None:
    """A tag full of spaces does not fill a field."""
    assert "intended_use" in model_card(make_story(**{"card.intended_use": blank})).missing()


def test_every_question_names_fields_that_exist(entries: list[Entry]) -> None:
    """The completeness test cannot pass or fail on a misspelt key."""
    keys = {field.key for field in model_card(entries).fields()}
    assert {key for needed in FIVE_QUESTIONS.values() for key in needed} <= keys
    assert keys >= set(HUMAN_FIELDS)


def test_every_filled_field_says_where_it_came_from(entries: list[Entry]) -> None:
    """Provenance beside each statement; a missing field claims no source."""
    for field in model_card(entries).fields():
        assert (field.source != "nobody" and bool(field.ref)) is (field.status == "filled"), field


def test_results_are_those_of_the_ledger(entries: list[Entry]) -> None:
    """The figures shown are the recorded ones, with the entry they came from."""
    card = model_card(entries)
    page = render(card)
    assert "-0.0123 (-0.0200 to -0.0040)" in page
    assert "LGA +0.0100 (n 900)" in page
    assert card.field("staging_checks").ref == "entry 14"


def test_hostile_text_stays_text(make_story: Story) -> None:
    """A tag can bring neither HTML nor a link nor a broken table into the page."""
    page = render(model_card(make_story(**{"card.limitations": "<script>x</script> [a](b)\n# H"})))
    assert "<script>" not in page
    assert "[a](" not in page.replace("\\[a](", "")
    assert "\n# H" not in page


def test_the_data_survives_json(entries: list[Entry]) -> None:
    """The document is data first: it reads back equal."""
    card = model_card(entries)
    assert Document.model_validate_json(as_json(card)) == card
