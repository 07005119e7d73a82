"""``seatrial notify test`` as a person runs it: where the message arrived, or what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.slack_double import (
    CHANNEL,
    CLOSED,
    RATE_LIMITED,
    TOKEN,
    Failure,
    SlackDouble,
    running_double,
)
from tests.faults.stack_commands import Ran, seatrial

WORDS = ("notify", "test", "--as", "Erin")


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackDouble]:
    with running_double() as double:
        monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
        monkeypatch.setenv("SLACK_CHANNEL", CHANNEL)
        monkeypatch.setenv("SLACK_API_URL", double.url)
        yield double


def refused(ran: Ran, *told: str) -> None:
    assert (ran.code, ran.out) == (1, ""), (ran.out, ran.err)
    words = " ".join(ran.err.split())
    assert [each for each in (*told, "What to do: ") if each not in words] == [], ran.err
    assert "xoxb-" not in words.replace("(xoxb-…)", "")


def test_it_says_where_the_message_arrived(slack: SlackDouble, tmp_path: Path) -> None:
    """Channel and message, and who of the policies would be called."""
    people = {"ml-on-call": "S0ONCALL"}
    (tmp_path / "slack-people.json").write_text(json.dumps(people))
    ran = seatrial(tmp_path, *WORDS)
    assert ran.code == 0
    assert f"in Slack, channel {CHANNEL}, message {slack.posted[0]['ts']}" in ran.out
    assert "<!subteam^S0ONCALL>" in ran.out
    assert "plain words: nobody is called" in ran.out
    assert slack.titles() == ["A test of Seatrial's messages"]
    assert seatrial(tmp_path, *WORDS, "--json").json["where"].startswith(f"slack:{CHANNEL}/")


@pytest.mark.parametrize(
    ("token", "channel", "told"),
    [
        ("xoxb-stolen", CHANNEL, ("invalid_auth", "Install the app anew")),
        ("xoxb-revoked", CHANNEL, ("token_revoked", "Install the app anew")),
        ("xoxb-mute", CHANNEL, ("missing_scope", "chat:write")),
        (TOKEN, "C0PRIVATE", ("not_in_channel", "/invite @app")),
        (TOKEN, "C0NOWHERE", ("channel_not_found", "Set SLACK_CHANNEL to the channel's id")),
        (TOKEN, "C0OLD", ("is_archived", "name another")),
        (TOKEN, "", ("No Slack channel is set", "SLACK_CHANNEL")),
    ],
)
def test_each_refusal_says_what_to_do(
    slack: SlackDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    channel: str,
    told: tuple[str, ...],
) -> None:
    """A refusal of Slack is an error here, in its word and ours; no token is shown."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", token)
    monkeypatch.setenv("SLACK_CHANNEL", channel)
    refused(seatrial(tmp_path, *WORDS), *told)
    assert slack.posted == []


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RATE_LIMITED, "it asks to wait 30 s"),
        (Failure(503), "HTTP 503"),
        (CLOSED, "Slack does not answer"),
    ],
    ids=str,
)
def test_an_outage_is_told_as_one(
    slack: SlackDouble, tmp_path: Path, failure: Failure, told: str
) -> None:
    """Nothing claims to have arrived."""
    slack.down = failure
    refused(seatrial(tmp_path, *WORDS), told)


def test_a_token_is_sent_to_no_strange_address(
    slack: SlackDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain HTTP leads to this machine alone."""
    monkeypatch.setenv("SLACK_API_URL", "http://slack.example/api/")
    refused(seatrial(tmp_path, *WORDS), "neither https nor this machine", "SLACK_API_URL")


def test_without_a_workspace_it_lies_in_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and that nobody is called."""
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    ran = seatrial(tmp_path, *WORDS)
    (file,) = (tmp_path / "outbox").glob("*.json")
    assert ran.code == 0
    assert file.name in ran.out
    assert "nobody is called" in ran.err


def test_messages_that_wait_are_told(slack: SlackDouble, tmp_path: Path) -> None:
    """A person who tries the channel learns that something has not been told."""
    folder = tmp_path / "outbox" / "waiting"
    folder.mkdir(parents=True)
    (folder / "20260101T000000.000000Z-page-1.json").write_text("{}")
    assert "1 message(s) wait" in seatrial(tmp_path, *WORDS).err
    health = {row["part"]: row for row in seatrial(tmp_path, "doctor", "--json").json}
    assert not health["messages"]["well"]
    assert "seatrial notify test" in health["messages"]["advice"]
