"""A double of Slack's ``chat.postMessage`` over HTTP that refuses what Slack refuses.

Limits as Slack documents them: 50 blocks a message; header 150 letters of plain text; section
3000; ten fields of 2000; ten elements of context; text 40 000. ``fails`` is a queue of failures,
one a request: a status with a word, a closed connection, or silence.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "xoxb-good"
CHANNEL = "C0RELEASES"
TOKENS = {TOKEN: "", "xoxb-revoked": "token_revoked", "xoxb-expired": "token_expired",
          "xoxb-left": "account_inactive", "xoxb-mute": "missing_scope"}  # fmt: skip
CHANNELS = {CHANNEL: "", "C0PRIVATE": "not_in_channel", "C0OLD": "is_archived"}
Block = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """One request that does not go as asked."""

    status: int = 200
    word: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False  # the connection, without an answer
    silent_seconds: float = 0.0


CLOSED = Failure(closes=True)
RATE_LIMITED = Failure(429, "ratelimited", {"Retry-After": "30"})


class SlackDouble:
    """``posted`` is the channel; ``forget`` deletes a thread as a person in Slack may."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.fails: list[Failure] = []
        self.down: Failure | None = None  # every request, until it is back
        self.asked = 0
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                double.asked += 1
                failure = double.fails.pop(0) if double.fails else double.down
                if failure is not None and failure.closes:
                    self.close_connection = True
                    return
                if failure is not None and failure.silent_seconds:
                    time.sleep(failure.silent_seconds)
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._write(*double.answer(self.path, headers, raw, failure))

            def _write(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/"

    def answer(
        self, path: str, headers: Mapping[str, str], raw: bytes, failure: Failure | None
    ) -> tuple[int, Any, Mapping[str, str]]:
        if failure is not None and (failure.word or failure.status != 200):
            said: Any = {"ok": False, "error": failure.word}
            return failure.status, b"<html>" if failure.status >= 500 else said, failure.headers
        if path != "/api/chat.postMessage":
            return 200, {"ok": False, "error": "unknown_method"}, {}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        body = json.loads(raw)
        if word := TOKENS.get(token, "invalid_auth") or self.refuse(body):
            return 200, {"ok": False, "error": word}, {}
        stamp = f"1772366400.{len(self.posted):06d}"
        self.posted.append(body | {"ts": stamp})
        return 200, {"ok": True, "channel": body["channel"], "ts": stamp}, {}

    def refuse(self, body: Mapping[str, Any]) -> str:
        """The first reason that applies, in Slack's word."""
        if word := CHANNELS.get(str(body.get("channel")), "channel_not_found"):
            return word
        if "thread_ts" in body and body["thread_ts"] not in {m["ts"] for m in self.posted}:
            return "thread_not_found"
        if body.get("reply_broadcast") and "thread_ts" not in body:
            return "invalid_arguments"
        if not body.get("text") and not body.get("blocks"):
            return "no_text"
        if len(str(body.get("text", ""))) > 40_000:
            return "msg_too_long"
        if "blocks" in body and not blocks_are_sound(body["blocks"]):
            return "invalid_blocks"
        return ""

    def forget(self) -> None:
        self.posted.clear()

    def titles(self) -> list[str]:
        return [m["blocks"][0]["text"]["text"] for m in self.posted if "blocks" in m]


@contextmanager
def running_double() -> Iterator[SlackDouble]:
    double = SlackDouble()
    thread = threading.Thread(target=double.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.server.shutdown()
        double.server.server_close()
        thread.join()


def blocks_are_sound(blocks: Any) -> bool:
    """Every block known, whole, and within its limits."""
    if not isinstance(blocks, list) or not 0 < len(blocks) <= 50:
        return False
    names = [block["block_id"] for block in blocks if "block_id" in block]
    return len(names) == len(set(names)) and all(_is_sound(block) for block in blocks)


def _is_sound(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") not in _KINDS:
        return False
    check, allowed = _KINDS[block["type"]]
    known = {"type", "block_id", *allowed}
    return set(block) <= known and len(block.get("block_id", "")) <= 255 and check(block)


def _text(text: Any, most: int, *kinds: str) -> bool:
    """A text object: ``emoji`` belongs to plain text alone, ``verbatim`` to mrkdwn alone."""
    if not isinstance(text, dict) or text.get("type") not in (kinds or ("plain_text", "mrkdwn")):
        return False
    own = "emoji" if text["type"] == "plain_text" else "verbatim"
    if not set(text) <= {"type", "text", own} or not isinstance(text.get(own, True), bool):
        return False
    return isinstance(text.get("text"), str) and 1 <= len(text["text"]) <= most


def _section(block: Block) -> bool:
    fields = block.get("fields", [])
    return (
        ("text" in block or bool(fields))
        and ("fields" not in block or 1 <= len(fields) <= 10)
        and all(_text(each, 2000) for each in fields)
        and ("text" not in block or _text(block["text"], 3000))
    )


def _header(block: Block) -> bool:
    return _text(block.get("text"), 150, "plain_text")


def _context(block: Block) -> bool:
    elements = block.get("elements", [])
    return 1 <= len(elements) <= 10 and all(_text(each, 3000) for each in elements)


_KINDS: dict[str, tuple[Callable[[Block], bool], tuple[str, ...]]] = {
    "section": (_section, ("text", "fields")),
    "header": (_header, ("text",)),
    "context": (_context, ("elements",)),
    "divider": (lambda block: True, ()),
}
