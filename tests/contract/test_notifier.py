"""Every notifier delivers the same messages; Slack's is held against a double of its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Message
from tasks.notify.adapters.console import ConsoleNotifier
from tasks.notify.adapters.memory import MemoryNotifier
from tasks.notify.adapters.slack import SlackNotifier
from tasks.notify.adapters.waiting import PatientNotifier, waiting_in
from tasks.notify.ports import Notifier
from tests.contract.slack_double import (
    CHANNEL,
    CLOSED,
    RATE_LIMITED,
    TOKEN,
    Failure,
    SlackDouble,
    blocks_are_sound,
    running_double,
)


@pytest.fixture
def slack() -> Iterator[SlackDouble]:
    with running_double() as double:
        yield double


def to_slack(slack: SlackDouble, tmp_path: Path, **changes: Any) -> SlackNotifier:
    settings: dict[str, Any] = {"token": TOKEN, "channel": CHANNEL} | changes
    return SlackNotifier(
        settings["token"],
        settings["channel"],
        tmp_path / "threads.json",
        base_url=slack.url,
        timeout_seconds=1,
    )


@pytest.fixture(params=["memory", "console", "slack", "patient"])
def notifier(request: pytest.FixtureRequest, slack: SlackDouble, tmp_path: Path) -> Notifier:
    made: dict[str, Notifier] = {
        "memory": MemoryNotifier(),
        "console": ConsoleNotifier(tmp_path / "outbox", stream=StringIO()),
        "slack": to_slack(slack, tmp_path),
        "patient": PatientNotifier(to_slack(slack, tmp_path), tmp_path / "waiting"),
    }
    return made[request.param]


def message(**changes: Any) -> Message:
    told = {"kind": "stage", "title": "delay v2: shadow", "body": "It begins.", "thread": "rel-1"}
    return Message.model_validate(told | changes)


FLOOD = message(
    title="x" * 500,
    body="<&>" * 4000,
    facts=tuple((f"name {i}", "v" * 5000) for i in range(23)),
    commands=("c" * 9000,) * 70,
    links=(("label", "https://host/" + "p" * 4000),) * 9,
)


@pytest.mark.parametrize("sent", [message(), message(title="", body=""), message(thread=""), FLOOD])
def test_every_message_is_delivered(notifier: Notifier, sent: Message) -> None:
    """Empty or far too long: people get it, and the caller learns where it went."""
    assert notifier.send(sent)


def test_two_messages_go_to_two_places(notifier: Notifier) -> None:
    """No message replaces another, not even an equal one in the same moment."""
    assert notifier.send(message()) != notifier.send(message())


def test_the_outbox_keeps_the_whole_message(tmp_path: Path) -> None:
    """Without a workspace the folder holds what Slack would have got, and one calm line shows."""
    stream = StringIO()
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    notifier = ConsoleNotifier(tmp_path, now=lambda: noon, stream=stream)
    where = notifier.send(message(kind="page", severity="SEV1", body="two\nlines"))
    assert where == "outbox:20260301T120000.000000Z-page-1.json"
    assert stream.getvalue() == "[SEV1 page] delay v2: shadow. two lines\n"
    kept = json.loads((tmp_path / where.removeprefix("outbox:")).read_text())
    assert Message.model_validate(kept["message"]).severity == "SEV1"
    assert blocks_are_sound(kept["blocks"])
    assert notifier.send(message(kind="page")).endswith("-page-2.json")


def test_an_outbox_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    """A full or forbidden folder is an error of ours, and nothing claims to be delivered."""
    (tmp_path / "outbox").write_text("not a folder")
    with pytest.raises(UnavailableError):
        ConsoleNotifier(tmp_path / "outbox", stream=StringIO()).send(message())


def test_one_thread_a_release(slack: SlackDouble, tmp_path: Path) -> None:
    """The first message of a release opens its thread, also for a process started later."""
    to_slack(slack, tmp_path).send(message())
    to_slack(slack, tmp_path).send(message(title="delay v2: canary"))
    to_slack(slack, tmp_path).send(message(thread="rel-2"))
    first, second, other = slack.posted
    assert "thread_ts" not in first
    assert second["thread_ts"] == first["ts"]
    assert second["reply_broadcast"] is False
    assert "thread_ts" not in other


def test_a_page_also_shows_in_the_channel(slack: SlackDouble, tmp_path: Path) -> None:
    """Nobody watches a thread at night."""
    notifier = to_slack(slack, tmp_path)
    notifier.send(message())
    notifier.send(message(kind="page", severity="SEV1"))
    assert slack.posted[-1]["reply_broadcast"] is True


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_a_damaged_thread_file_does_not_silence_anybody(
    slack: SlackDouble, tmp_path: Path, damage: str
) -> None:
    """The file costs a thread at most, never a page."""
    (tmp_path / "threads.json").write_text(damage)
    notifier = to_slack(slack, tmp_path)
    notifier.send(message())
    notifier.send(message())
    assert slack.posted[1]["thread_ts"] == slack.posted[0]["ts"]


@pytest.mark.parametrize(
    "failure",
    [
        RATE_LIMITED,
        CLOSED,
        Failure(500),
        Failure(503),
        Failure(200, "ratelimited"),
        Failure(200, "internal_error"),
        Failure(silent_seconds=3.0),
    ],
    ids=str,
)
def test_what_passes_is_unavailable(slack: SlackDouble, tmp_path: Path, failure: Failure) -> None:
    """Rate limits, closed connections, silence and failures of Slack are worth another try."""
    slack.down = failure
    with pytest.raises(UnavailableError) as caught:
        to_slack(slack, tmp_path).send(message())
    assert caught.value.__cause__ is not None
    assert caught.value.advice
    slack.down = None
    assert to_slack(slack, tmp_path).send(message())


def test_a_rate_limit_says_how_long(slack: SlackDouble, tmp_path: Path) -> None:
    """A person who waits for a message knows when it may come."""
    slack.fails = [RATE_LIMITED]
    with pytest.raises(UnavailableError, match="asks to wait 30 s"):
        to_slack(slack, tmp_path).send(message())


@pytest.mark.parametrize(
    ("changes", "word", "advice"),
    [
        ({"token": "xoxb-stolen"}, "invalid_auth", "SLACK_BOT_TOKEN"),
        ({"token": "xoxb-revoked"}, "token_revoked", "SLACK_BOT_TOKEN"),
        ({"token": "xoxb-expired"}, "token_expired", "SLACK_BOT_TOKEN"),
        ({"token": "xoxb-left"}, "account_inactive", "SLACK_BOT_TOKEN"),
        ({"token": "xoxb-mute"}, "missing_scope", "chat:write"),
        ({"channel": "C0ELSEWHERE"}, "channel_not_found", "SLACK_CHANNEL"),
        ({"channel": "C0PRIVATE"}, "not_in_channel", "/invite"),
        ({"channel": "C0OLD"}, "is_archived", "archived"),
        ({"channel": ""}, "No Slack channel", "SLACK_CHANNEL"),
    ],
)
def test_what_stays_wrong_is_refused(
    slack: SlackDouble, tmp_path: Path, changes: dict[str, str], word: str, advice: str
) -> None:
    """A bad token or channel says so at once, tells what to do, and shows no token."""
    with pytest.raises(RefusedError, match=word) as caught:
        to_slack(slack, tmp_path, **changes).send(message())
    assert changes.get("token", "xoxb") not in str(caught.value)
    assert advice in caught.value.advice
    assert slack.posted == []


@pytest.mark.parametrize("word", ["thread_not_found", "cannot_reply_to_message"])
def test_a_thread_that_is_gone_is_begun_anew(slack: SlackDouble, tmp_path: Path, word: str) -> None:
    """Somebody deleted the thread's first message: what follows is told all the same."""
    notifier = to_slack(slack, tmp_path)
    notifier.send(message())
    slack.fails = [Failure(200, word)]
    notifier.send(message(title="delay v2: canary"))
    notifier.send(message(title="delay v2: full"))
    gone, anew, reply = slack.posted
    assert "thread_ts" not in anew
    assert reply["thread_ts"] == anew["ts"] != gone["ts"]


@pytest.mark.parametrize("word", ["invalid_blocks", "msg_too_long", "msg_blocks_too_long"])
def test_a_layout_that_is_refused_is_told_in_plain_words(
    slack: SlackDouble, tmp_path: Path, word: str
) -> None:
    """Better without a layout than without a message; and not for ever."""
    slack.fails = [Failure(200, word)]
    to_slack(slack, tmp_path).send(message(body="Something broke."))
    (sent,) = slack.posted
    assert "blocks" not in sent
    assert "Something broke." in sent["text"]
    slack.down, slack.asked = Failure(200, word), 0
    with pytest.raises(RefusedError, match=word):
        to_slack(slack, tmp_path).send(message())
    assert slack.asked == 2


def test_the_token_goes_nowhere_else(tmp_path: Path) -> None:
    """Over plain HTTP only to this machine: an address set by mistake does not get it."""
    notifier = SlackNotifier(TOKEN, CHANNEL, tmp_path / "t", base_url="http://slack.example/api/")
    with pytest.raises(RefusedError, match="neither https nor this machine"):
        notifier.send(message())


def test_people_are_mentioned_by_their_id(slack: SlackDouble, tmp_path: Path) -> None:
    """Who is known to Slack is called; others are named; no text becomes a mention by itself."""
    known = {"ml-on-call": "S0ONCALL", "Mia": "U0MIA", "evil": "U1> <!channel"}
    notifier = SlackNotifier(
        TOKEN, CHANNEL, tmp_path / "t", people=lambda: known, base_url=slack.url
    )
    notifier.send(message(kind="page", to=("ml-on-call", "Mia", "evil", "<!here>")))
    told = slack.posted[0]["blocks"][2]["text"]["text"]
    assert told == "For <!subteam^S0ONCALL>, <@U0MIA>, evil, &lt;!here&gt;"
    assert "<!subteam^S0ONCALL>" in slack.posted[0]["text"]


# ── What cannot be told waits, and is told later ────────────────────────────────────────────


def patient(slack: SlackDouble, tmp_path: Path, **changes: Any) -> PatientNotifier:
    return PatientNotifier(to_slack(slack, tmp_path, **changes), tmp_path / "waiting")


def test_nothing_is_lost_while_slack_is_away(slack: SlackDouble, tmp_path: Path) -> None:
    """Each message waits, says so, and is delivered once, in order, with the time it was meant."""
    notifier = patient(slack, tmp_path)
    slack.down = CLOSED
    first = notifier.send(message())
    notifier.send(message(title="delay v2: canary"))
    assert first.startswith("waiting:") and "Slack does not answer." in first
    assert notifier.deliver_waiting() == ()
    assert len(waiting_in(tmp_path / "waiting")) == 2
    slack.down = None
    told = notifier.deliver_waiting()
    assert [(each.title, each.thread) for each in told] == [
        ("delay v2: shadow", "rel-1"),
        ("delay v2: canary", "rel-1"),
    ]
    assert slack.titles() == ["delay v2: shadow", "delay v2: canary"]
    assert "(Delayed: this is of 20" in slack.posted[0]["text"]
    assert notifier.deliver_waiting() == () == tuple(waiting_in(tmp_path / "waiting"))


def test_what_slack_refuses_waits_for_a_person(slack: SlackDouble, tmp_path: Path) -> None:
    """A wrong token stops no release; once it is right, everything arrives."""
    where = patient(slack, tmp_path, token="xoxb-revoked").send(message())
    assert "token_revoked" in where
    assert len(patient(slack, tmp_path).deliver_waiting()) == 1


def test_a_round_stops_at_the_first_failure(slack: SlackDouble, tmp_path: Path) -> None:
    """A Slack that asks to wait is not asked twenty times."""
    notifier = patient(slack, tmp_path)
    slack.down = RATE_LIMITED
    for _ in range(3):
        notifier.send(message())
    slack.asked = 0
    assert notifier.deliver_waiting() == ()
    assert slack.asked == 1
    assert len(waiting_in(tmp_path / "waiting")) == 3


def test_a_message_that_another_process_delivers_is_left_to_it(
    slack: SlackDouble, tmp_path: Path
) -> None:
    """Nobody is told twice; what a dead process had taken is taken back after ten minutes."""
    folder = tmp_path / "waiting"
    patient(slack, tmp_path, channel="").send(message())
    (file,) = waiting_in(folder)
    taken = file.rename(file.with_name(f"{file.name}.sending-1"))
    assert patient(slack, tmp_path).deliver_waiting() == ()
    os.utime(taken, (0, 0))
    assert len(patient(slack, tmp_path).deliver_waiting()) == 1
    assert len(slack.posted) == 1


def test_a_damaged_file_keeps_nothing_back(slack: SlackDouble, tmp_path: Path) -> None:
    """It stays for a person to read; what comes after it is delivered."""
    folder = tmp_path / "waiting"
    folder.mkdir()
    (folder / "0-page-1.json").write_text("{")
    patient(slack, tmp_path, channel="").send(message())
    assert len(patient(slack, tmp_path).deliver_waiting()) == 1
    assert [file.name for file in waiting_in(folder)] == ["0-page-1.damaged"]


def test_a_silent_slack_is_unavailable(tmp_path: Path) -> None:
    """Nobody listening is an outage, not a refusal."""
    closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = closed.server_port
    closed.server_close()
    notifier = SlackNotifier(
        TOKEN, CHANNEL, tmp_path / "threads.json", base_url=f"http://127.0.0.1:{port}/api/"
    )
    with pytest.raises(UnavailableError):
        notifier.send(message())


TEXT = {"type": "mrkdwn", "text": "x"}
PLAIN = {"type": "plain_text", "text": "x", "emoji": False}
REFUSED: list[Any] = [
    [],
    {"type": "section", "text": TEXT},
    [{"type": "section", "text": TEXT}] * 51,
    [{"type": "section"}],
    [{"type": "section", "text": TEXT | {"text": "x" * 3001}}],
    [{"type": "section", "text": TEXT | {"text": ""}}],
    [{"type": "section", "text": TEXT | {"emoji": True}}],
    [{"type": "section", "text": TEXT, "colour": "red"}],
    [{"type": "section", "fields": []}],
    [{"type": "section", "fields": [TEXT] * 11}],
    [{"type": "section", "fields": [TEXT | {"text": "x" * 2001}]}],
    [{"type": "header", "text": TEXT}],
    [{"type": "header", "text": PLAIN | {"text": "x" * 151}}],
    [{"type": "header", "text": PLAIN | {"verbatim": True}}],
    [{"type": "context", "elements": [TEXT] * 11}],
    [{"type": "markup", "text": TEXT}],
    [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
    ["header"],
]


def test_the_double_refuses_what_slack_refuses() -> None:
    """The limits are really checked: the double is no yes-man."""
    assert blocks_are_sound([{"type": "section", "text": TEXT}, {"type": "header", "text": PLAIN}])
    assert [blocks for blocks in REFUSED if blocks_are_sound(blocks)] == []


def test_the_double_refuses_what_is_no_message() -> None:
    """Without text, too long, or shown in the channel without standing in a thread."""
    double = SlackDouble()
    double.server.server_close()
    assert double.refuse({"channel": CHANNEL}) == "no_text"
    assert double.refuse({"channel": CHANNEL, "text": "x" * 40_001}) == "msg_too_long"
    shown = {"channel": CHANNEL, "text": "x", "reply_broadcast": True}
    assert double.refuse(shown) == "invalid_arguments"
    assert double.refuse(shown | {"thread_ts": "1.2"}) == "thread_not_found"


def test_importing_the_adapter_does_not_import_the_vendor() -> None:
    """A command that sends nothing does not pay for Slack's library."""
    code = "import sys, tasks.notify.adapters.slack\nassert 'slack_sdk' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
