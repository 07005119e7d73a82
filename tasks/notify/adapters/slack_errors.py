"""Slack's refusals in our words: what is wrong, and what a person does about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from policies.errors import AdapterError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from slack_sdk.errors import SlackApiError

PASSING = frozenset(  # Slack's own words for "not just now"
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
GONE_THREADS = frozenset({"thread_not_found", "cannot_reply_to_message", "message_not_found"})
TOO_MUCH = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long",
                      "msg_too_long"})  # fmt: skip
_ANEW = "Install the app anew and set SLACK_BOT_TOKEN to its bot token (xoxb-…)."
_RIGHT_CHANNEL = (
    "Set SLACK_CHANNEL to the channel's id (C…, in its details), and invite the app: /invite @app."
)
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "invalid_auth": _ANEW,
        "not_authed": _ANEW,
        "token_revoked": _ANEW,
        "token_expired": _ANEW,
        "account_inactive": _ANEW,
        "missing_scope": "Give the app the scope chat:write and install it anew; then set "
        "SLACK_BOT_TOKEN.",
        "channel_not_found": _RIGHT_CHANNEL,
        "not_in_channel": "Invite the app into the channel of SLACK_CHANNEL: /invite @app.",
        "is_archived": "The channel of SLACK_CHANNEL is archived: name another.",
        "restricted_action": "An admin of the workspace must let the app post in SLACK_CHANNEL.",
    }
)
_OTHERWISE = "Check SLACK_BOT_TOKEN, that the app may post, and that it is in the channel."


def told(error: SlackApiError) -> AdapterError:
    """Never with Slack's request, which carries the token."""
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    word = str(response.get("error", "") or "") if status < 500 else f"HTTP {status}"
    if status == 429 or status >= 500 or word in PASSING:
        return UnavailableError(
            f"Slack cannot take the message just now ({word or 'HTTP 429'}{_wait(error)}).",
            advice="It is tried again.",
        )
    return RefusedError(
        f"Slack refuses the message: {word or 'no reason given'}.",
        advice=_ADVICE.get(word, _OTHERWISE),
    )


def _wait(error: SlackApiError) -> str:
    headers = getattr(error.response, "headers", None) or {}
    seconds = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    return f"; it asks to wait {seconds} s" if str(seconds).isdigit() else ""
