"""Messages laid out within Slack's limits."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.vocabulary import Message
from tasks.notify.layout import CUT, blocks, cut, escaped, fallback
from tests.unit.letters import LETTERS

TEXT = st.text(LETTERS, max_size=4000)
PAIRS = st.lists(st.tuples(st.text(LETTERS, max_size=30), TEXT), max_size=25).map(tuple)
MESSAGES = st.builds(
    Message,
    kind=st.sampled_from(["stage", "page"]),
    title=st.text(LETTERS, max_size=400),
    body=TEXT,
    facts=PAIRS,
    commands=st.lists(TEXT, max_size=60).map(tuple),
    links=PAIRS,
)


def test_an_empty_message_still_has_a_header() -> None:
    """Slack refuses empty texts: even a message without words can be delivered."""
    (header,) = blocks(Message(kind="stage", title="", body=""))
    assert header["text"]["text"] == "(no title)"


@given(MESSAGES)
def test_no_message_exceeds_the_limits(message: Message) -> None:
    """Whatever a model, policy or person wrote, Slack takes the message."""
    laid = blocks(message)
    assert 1 <= len(laid) <= 50
    for block in laid:
        if block["type"] == "header":
            assert block["text"]["type"] == "plain_text"
            assert 1 <= len(block["text"]["text"]) <= 150
        if "fields" in block:
            assert 1 <= len(block["fields"]) <= 10
            assert all(1 <= len(field["text"]) <= 2000 for field in block["fields"])
        elif block["type"] == "section":
            assert 1 <= len(block["text"]["text"]) <= 3000
    assert len(fallback(message)) <= 4000


@given(st.text(LETTERS, max_size=300), st.integers(20, 100))
def test_escaping_loses_nothing_and_splits_no_escape(text: str, limit: int) -> None:
    """Unescaped again it is the text, or its beginning and a visible cut."""
    result = escaped(text, limit)
    assert len(result) <= limit
    assert "<" not in result
    assert ">" not in result
    plain = html.unescape(result) if "&" in text or result != text else result
    if result.endswith(CUT) and not text.endswith(CUT):
        assert html.unescape(escaped(text, 10**6)).startswith(plain.removesuffix(CUT))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> now", "&lt;!channel&gt; now"),
        ("a & b", "a &amp; b"),
        ("<https://evil.example|click>", "&lt;https://evil.example|click&gt;"),
    ],
)
def test_text_cannot_mention_or_link(text: str, shown: str) -> None:
    """No text becomes a mention or a link."""
    body = blocks(Message(kind="stage", title="t", body=text))[1]
    assert body["text"]["text"] == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/x?a=1&b=2", "<https://host/x?a=1&amp;b=2|Form>"),
        ("javascript:alert(1)", "Form: javascript:alert(1)"),
        ("https://host/|evil", "Form: https://host/|evil"),
        ("https://host/> <!here>", "Form: https://host/&gt; &lt;!here&gt;"),
    ],
)
def test_only_sound_addresses_become_links(address: str, shown: str) -> None:
    """An address that is not plain http(s) is shown and cannot be pressed."""
    made = blocks(Message(kind="stage", title="t", body="b", links=(("Form", address),)))[-1]
    assert made["text"]["text"] == shown


def test_commands_stay_in_their_code_block() -> None:
    """A backtick in a command does not end the code early."""
    made = blocks(Message(kind="page", title="t", body="b", commands=("run ``` <x>",)))[-1]
    assert made["text"]["text"] == "```run ''' &lt;x&gt;```"


def test_what_is_cut_is_seen_to_be_cut() -> None:
    """No reader takes a part for the whole."""
    assert cut("x" * 20, 10) == "xxx" + CUT
    assert cut("short", 10) == "short"
    many = blocks(Message(kind="page", title="t", body="b", commands=("c",) * 60))
    assert many[-1]["text"]["text"] == CUT


@pytest.mark.parametrize("letter", ["&", "<", ">"])
def test_the_limit_counts_what_is_sent(letter: str) -> None:
    """An escaped letter takes the room of its escape, and is never cut in half."""
    result = escaped(letter * 100, 50)
    assert len(result) <= 50
    assert html.unescape(result.removesuffix(CUT)) == letter * result.count("&")
