"""The page of all Slack messages is what the code sends now, and what Slack would take."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from deployments.messages.__main__ import REFERENCE
from deployments.messages.pages import markdown, page
from deployments.messages.samples import PEOPLE, PICTURED, Sample, samples
from policies.vocabulary import Message
from tasks.notify.layout import blocks
from tests.contract.slack_double import blocks_are_sound

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SAMPLES = [pytest.param(sample, id=sample.name) for sample in samples()]
PHONE = 900  # letters that two screens of a phone show


def test_the_page_is_what_the_command_writes_now() -> None:
    """It cannot rot: run `make docs-messages` after changing a message."""
    assert REFERENCE.read_text() == markdown()


def test_every_kind_is_shown_and_no_two_are_called_the_same() -> None:
    """A kind that is sent and not shown would be a surprise at night."""
    kinds = get_args(Message.model_fields["kind"].annotation)
    assert {sample.message.kind for sample in samples()} == set(kinds)
    titles = [sample.message.title for sample in samples()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_message_is_one_that_slack_takes_and_a_phone_shows(sample: Sample) -> None:
    """Within the limits, and short enough to be read standing up."""
    laid = blocks(sample.message, PEOPLE)
    assert blocks_are_sound(laid)
    shown = [sample.message.title, sample.message.body, *sample.message.commands]
    assert sum(map(len, shown)) < PHONE
    if sample.message.kind == "page":
        assert len(sample.message.commands) == 2
        assert sample.message.to and sample.message.links


def test_pictures_lie_there_and_are_small() -> None:
    """Each picture shown exists, no other does, and a slow line can load them."""
    found = {path.name: path.stat().st_size for path in IMAGES.glob("slack-*.png")}
    assert set(found) == {f"slack-{name}.png" for name in PICTURED}
    assert max(found.values()) < 150_000


class Drawn(HTMLParser):
    """What a browser would run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


def test_no_text_becomes_markup() -> None:
    """A model or person called like a tag is shown as text."""
    from deployments.messages.slack_html import as_html, as_markdown

    evil = "<script>alert(1)</script> <!channel> *x* `y`"
    told = Message(kind="page", title=evil, body=evil, to=(evil,), facts=((evil, evil),))
    drawn = Drawn()
    drawn.feed(as_html(blocks(told)))
    assert drawn.tags <= {"h3", "div", "b", "code", "br"}
    assert "<script" not in as_markdown(blocks(told))
    assert "@channel" not in as_html(blocks(told))
    assert page().count("<article") == len(samples())
