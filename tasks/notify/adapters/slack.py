"""Messages in a Slack channel, one thread a release.

Pages and rollbacks are also shown in the channel itself: nobody watches a thread at night.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.errors import AdapterError, RefusedError, UnavailableError
from policies.vocabulary import Message
from tasks.notify.layout import blocks, fallback

if TYPE_CHECKING:
    from slack_sdk.errors import SlackApiError

BASE_URL = "https://slack.com/api/"
_PASSING = frozenset(  # Slack's own words for "not just now"
    {
        "ratelimited",
        "rate_limited",
        "internal_error",
        "fatal_error",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
_IN_CHANNEL = frozenset({"page", "rollback", "incident"})


class SlackNotifier:
    """The ``Notifier`` port on Slack's Web API.

    ``threads`` is a small JSON file: the first message of each release. ``base_url`` points
    tests at a local double.
    """

    def __init__(
        self,
        token: str,
        channel: str,
        threads: Path,
        *,
        base_url: str = BASE_URL,
        timeout_seconds: int = 10,
    ) -> None:
        self._token = token
        self._channel = channel
        self._threads = threads
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds

    def send(self, message: Message) -> str:
        if not self._channel:
            raise RefusedError(
                "No Slack channel is set.", advice="Set SLACK_CHANNEL to the channel's id."
            )
        key = f"{self._channel}/{message.thread}"
        parent = self._known_threads().get(key) if message.thread else None
        stamp = self._post(message, parent)
        if message.thread and parent is None:
            self._remember(key, stamp)
        return f"slack:{self._channel}/{stamp}"

    def _post(self, message: Message, parent: str | None) -> str:
        from slack_sdk import WebClient
        from slack_sdk.errors import SlackApiError, SlackClientError

        client = WebClient(
            token=self._token, base_url=self._base_url, timeout=self._timeout_seconds
        )
        threaded: dict[str, Any] = {}
        if parent is not None:
            threaded = {"thread_ts": parent, "reply_broadcast": message.kind in _IN_CHANNEL}
        try:
            answer = client.chat_postMessage(
                channel=self._channel,
                text=fallback(message),
                blocks=blocks(message),
                unfurl_links=False,
                unfurl_media=False,
                **threaded,
            )
        except SlackApiError as error:
            raise _told(error) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise UnavailableError(
                "Slack does not answer.", advice="Check the network; the message is tried again."
            ) from error
        return str(answer["ts"])

    def _known_threads(self) -> dict[str, str]:
        """A lost or damaged file starts new threads: it must not keep a page from going out."""
        try:
            known = json.loads(self._threads.read_text())
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}

    def _remember(self, key: str, stamp: str) -> None:
        """Delivered is delivered: a file that cannot be written costs a thread, not an error."""
        known = {key: stamp} | self._known_threads()
        partial = self._threads.with_suffix(f".{os.getpid()}.partial")
        try:
            self._threads.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(known, indent=1))
            partial.replace(self._threads)
        except OSError:
            partial.unlink(missing_ok=True)


def _told(error: SlackApiError) -> AdapterError:
    """Slack's refusal in our words; never its request, which carries the token."""
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    word = str(response.get("error", "") or "") if status < 500 else f"HTTP {status}"
    if status == 429 or status >= 500 or word in _PASSING:
        return UnavailableError(
            f"Slack cannot take the message just now ({word}).", advice="It is tried again."
        )
    return RefusedError(
        f"Slack refuses the message: {word or 'no reason given'}.",
        advice="Check SLACK_BOT_TOKEN, that the app may post, and that it is in the channel.",
    )
