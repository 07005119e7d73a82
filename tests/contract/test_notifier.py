"""Every notifier delivers the same messages; Slack's is held against a double of its API."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
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
from tasks.notify.ports import Notifier

TOKEN = "xoxb-good"
CHANNEL = "C0RELEASES"


class SlackDouble:
    """chat.postMessage over HTTP: checks token, channel, thread and the limits of Block Kit."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.failure: tuple[int, str] | None = None
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                raw = self.rfile.read(length)
                status, answer = double.answer(self.path, dict(self.headers), raw)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/"

    def answer(self, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, Any]:
        if self.failure is not None:
            status, word = self.failure
            return status, b"<html>" if status >= 500 else {"ok": False, "error": word}
        if path != "/api/chat.postMessage":
            return 200, {"ok": False, "error": "unknown_method"}
        sent = {name.lower(): value for name, value in headers.items()}.get("authorization")
        if sent != f"Bearer {TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}
        body = json.loads(raw)
        if word := self.refuse(body):
            return 200, {"ok": False, "error": word}
        stamp = f"1772366400.{len(self.posted):06d}"
        self.posted.append(body | {"ts": stamp})
        return 200, {"ok": True, "channel": body["channel"], "ts": stamp}

    def refuse(self, body: dict[str, Any]) -> str:
        if body.get("channel") != CHANNEL:
            return "channel_not_found"
        known = {message["ts"] for message in self.posted}
        if "thread_ts" in body and body["thread_ts"] not in known:
            return "thread_not_found"
        return "" if body.get("text") and blocks_are_sound(body["blocks"]) else "invalid_blocks"


def blocks_are_sound(blocks: list[dict[str, Any]]) -> bool:
    """The limits as Slack documents them."""

    def sound(text: dict[str, Any], most: int) -> bool:
        return text["type"] in ("plain_text", "mrkdwn") and 1 <= len(text["text"]) <= most

    def section(block: dict[str, Any]) -> bool:
        fields = block.get("fields", [])
        return (
            ("text" in block or bool(fields))
            and len(fields) <= 10
            and all(sound(field, 2000) for field in fields)
            and ("text" not in block or sound(block["text"], 3000))
        )

    def header(block: dict[str, Any]) -> bool:
        return block["text"]["type"] == "plain_text" and sound(block["text"], 150)

    known: dict[str, Callable[[dict[str, Any]], bool]] = {"section": section, "header": header}
    return 0 < len(blocks) <= 50 and all(
        block["type"] in known and known[block["type"]](block) for block in blocks
    )


@pytest.fixture
def slack() -> Iterator[SlackDouble]:
    double = SlackDouble()
    thread = threading.Thread(target=double.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield double
    double.server.shutdown()
    double.server.server_close()
    thread.join()


def to_slack(slack: SlackDouble, tmp_path: Path, **changes: Any) -> SlackNotifier:
    settings: dict[str, Any] = {"token": TOKEN, "channel": CHANNEL} | changes
    return SlackNotifier(
        settings["token"], settings["channel"], tmp_path / "threads.json", base_url=slack.url
    )


@pytest.fixture(params=["memory", "console", "slack"])
def notifier(request: pytest.FixtureRequest, slack: SlackDouble, tmp_path: Path) -> Notifier:
    made: dict[str, Notifier] = {
        "memory": MemoryNotifier(),
        "console": ConsoleNotifier(tmp_path / "outbox", stream=StringIO()),
        "slack": to_slack(slack, tmp_path),
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
    ("status", "word"),
    [(429, "ratelimited"), (500, ""), (503, ""), (200, "ratelimited"), (200, "internal_error")],
)
def test_what_passes_is_unavailable(
    slack: SlackDouble, tmp_path: Path, status: int, word: str
) -> None:
    """Rate limits and failures of Slack itself are worth another try."""
    slack.failure = (status, word)
    with pytest.raises(UnavailableError) as caught:
        to_slack(slack, tmp_path).send(message())
    assert caught.value.__cause__ is not None
    assert caught.value.advice


@pytest.mark.parametrize(
    "changes", [{"token": "xoxb-stolen"}, {"channel": "C0ELSEWHERE"}, {"channel": ""}]
)
def test_what_stays_wrong_is_refused(
    slack: SlackDouble, tmp_path: Path, changes: dict[str, str]
) -> None:
    """A bad token or channel says so at once, tells what to check, and shows no token."""
    with pytest.raises(RefusedError) as caught:
        to_slack(slack, tmp_path, **changes).send(message())
    assert "xoxb" not in str(caught.value)
    assert "SLACK_" in caught.value.advice
    assert slack.posted == []


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


def test_the_double_refuses_what_slack_refuses() -> None:
    """The limits are really checked: the double is no yes-man."""
    text = {"type": "mrkdwn", "text": "x"}
    assert blocks_are_sound([{"type": "section", "text": text}])
    assert not blocks_are_sound([])
    assert not blocks_are_sound([{"type": "section", "text": text}] * 51)
    assert not blocks_are_sound([{"type": "section", "text": text | {"text": "x" * 3001}}])
    assert not blocks_are_sound([{"type": "section", "text": text | {"text": ""}}])
    assert not blocks_are_sound([{"type": "section", "fields": [text] * 11}])
    assert not blocks_are_sound([{"type": "header", "text": text}])


def test_importing_the_adapter_does_not_import_the_vendor() -> None:
    """A command that sends nothing does not pay for Slack's library."""
    code = "import sys, tasks.notify.adapters.slack\nassert 'slack_sdk' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
