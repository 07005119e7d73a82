"""Messages in a Slack channel, one thread a release.

What somebody has to act on is also shown in the channel itself: nobody watches a thread at night.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from policies.errors import RefusedError, UnavailableError
from policies.vocabulary import Message
from tasks.notify.adapters.slack_errors import GONE_THREADS, TOO_MUCH, told
from tasks.notify.layout import NOBODY, People, blocks, fallback
from tasks.notify.ports import Delivered

if TYPE_CHECKING:
    from slack_sdk import WebClient

BASE_URL = "https://slack.com/api/"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
IN_CHANNEL = frozenset({"page", "pause", "approval", "rollback", "incident", "between", "review"})


class SlackNotifier:
    """The ``Notifier`` port on Slack's Web API.

    ``threads`` is a small JSON file: the first message of each release. ``people`` answers which
    name of a policy is whom in Slack. ``base_url`` points at a local double, or at a proxy with
    https: the token goes nowhere else.
    """

    def __init__(
        self,
        token: str,
        channel: str,
        threads: Path,
        *,
        people: Callable[[], People] = lambda: NOBODY,
        base_url: str = BASE_URL,
        timeout_seconds: int = 10,
    ) -> None:
        self._token = token
        self._channel = channel
        self._threads = threads
        self._people = people
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds

    def send(self, message: Message) -> str:
        key = f"{self._channel}/{message.thread}"
        parent = self._known_threads().get(key) if message.thread else None
        stamp, is_reply = self._posted(message, parent)
        if message.thread and not is_reply:
            self._remember(key, stamp)
        return f"slack:{self._channel}/{stamp}"

    def deliver_waiting(self) -> tuple[Delivered, ...]:
        """Nothing waits here: what cannot be posted is the caller's."""
        return ()

    def _posted(self, message: Message, parent: str | None) -> tuple[str, bool]:
        """The message's stamp, and whether it stands in the thread.

        A thread that is gone is begun anew; a layout that Slack refuses is told in plain words.
        """
        people = self._people()
        content: dict[str, Any] = {
            "text": fallback(message, people),
            "blocks": blocks(message, people),
        }
        if parent is not None:
            content |= {"thread_ts": parent, "reply_broadcast": message.kind in IN_CHANNEL}
        for _ in range(3):  # as sent; without the thread; without the layout
            stamp, word = self._post(content)
            if word in GONE_THREADS and "thread_ts" in content:
                del content["thread_ts"], content["reply_broadcast"]
            elif word in TOO_MUCH and "blocks" in content:
                del content["blocks"]
            elif word:
                break
            else:
                return stamp, "thread_ts" in content
        raise RefusedError(
            f"Slack refuses the message: {word}.", advice="Report it: it should not be refused."
        )

    def _post(self, content: dict[str, Any]) -> tuple[str, str]:
        """A stamp, or the word of a refusal that another form of the message may escape."""
        from slack_sdk.errors import SlackApiError, SlackClientError

        client = self._client()
        try:
            answer = client.chat_postMessage(
                channel=self._channel, unfurl_links=False, unfurl_media=False, **content
            )
        except SlackApiError as error:
            if (word := str(error.response.get("error") or "")) in GONE_THREADS | TOO_MUCH:
                return "", word
            raise told(error) from error
        except (SlackClientError, HTTPException, OSError, ValueError) as error:
            raise UnavailableError(
                "Slack does not answer.", advice="Check the network; the message is tried again."
            ) from error
        return str(answer["ts"]), ""

    def _client(self) -> WebClient:
        from slack_sdk import WebClient

        if not self._channel:
            raise RefusedError(
                "No Slack channel is set.", advice="Set SLACK_CHANNEL to the channel's id."
            )
        where = urlsplit(self._base_url)
        if where.scheme != "https" and where.hostname not in LOOPBACK:
            raise RefusedError(
                f"The token is not sent to {self._base_url}: it is neither https nor this machine.",
                advice="Unset SLACK_API_URL, or give an https address.",
            )
        base_url = self._base_url.rstrip("/") + "/"
        return WebClient(token=self._token, base_url=base_url, timeout=self._timeout_seconds)

    def _known_threads(self) -> dict[str, str]:
        """A lost or damaged file starts new threads: it must not keep a page from going out."""
        try:
            known = json.loads(self._threads.read_text())
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}

    def _remember(self, key: str, stamp: str) -> None:
        """Delivered is delivered: a file that cannot be written costs a thread, not an error."""
        known = self._known_threads() | {key: stamp}
        partial = self._threads.with_suffix(f".{os.getpid()}.partial")
        try:
            self._threads.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(known, indent=1))
            partial.replace(self._threads)
        except OSError:
            partial.unlink(missing_ok=True)
