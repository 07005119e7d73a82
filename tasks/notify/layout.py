"""A message laid out in Slack's Block Kit, within its limits.

Whom it is for becomes a mention where ``people`` knows the name's Slack id, else it is told in
plain words.

What does not fit is cut where people see it (``… (cut)``); ``&``, ``<`` and ``>`` are escaped, so
no text of a model, a policy or a person can become a link or a mention.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from policies.vocabulary import Message

HEADER, SECTION, FIELD, FIELDS, BLOCKS, FALLBACK = 150, 3000, 2000, 10, 50, 4000
CUT = "… (cut)"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Block = dict[str, Any]
People = Mapping[str, str]  # a name in the policy's words -> its id in Slack
NOBODY: People = MappingProxyType({})
MENTIONS = 10
_SLACK_ID = re.compile(r"[UWS][A-Z0-9]{2,20}")


def blocks(message: Message, people: People = NOBODY) -> list[Block]:
    """Header, body, commands, links and facts: what to do comes before what else is known."""
    laid = [_header(message.title)]
    laid += [_section(escaped(message.body, SECTION))] if message.body.strip() else []
    laid += [_section(f"For {named(message, people)}")] if message.to else []
    laid += [_command(command) for command in message.commands]
    laid += [_section(_links(message.links))] if message.links else []
    laid += [_fields(chunk) for chunk in _chunks(message.facts)]
    return laid if len(laid) <= BLOCKS else [*laid[: BLOCKS - 1], _section(CUT)]


def fallback(message: Message, people: People = NOBODY) -> str:
    """Plain words for notifications and screen readers."""
    called = f" (for {named(message, people)})" if message.to else ""
    return escaped(f"{message.title}. {message.body}", FALLBACK - len(called)) + called


def named(message: Message, people: People = NOBODY) -> str:
    """Everybody a message is for: as a mention where Slack has an id for the name."""
    told = [mention(people.get(name, "")) or escaped(name, 100) for name in message.to[:MENTIONS]]
    return ", ".join(told) + (
        f" and {more} more" if (more := len(message.to) - MENTIONS) > 0 else ""
    )


def mention(slack_id: str) -> str:
    """``<@U…>`` for a person, ``<!subteam^S…>`` for a group, ``<!here>``; else nothing."""
    if slack_id in ("here", "channel"):
        return f"<!{slack_id}>"
    if not _SLACK_ID.fullmatch(slack_id):
        return ""
    return f"<!subteam^{slack_id}>" if slack_id.startswith("S") else f"<@{slack_id}>"


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def escaped(text: str, limit: int) -> str:
    """Escape, then cut: the limit counts escaped characters and no escape is split."""
    parts = [_ESCAPES.get(letter, letter) for letter in text]
    if sum(map(len, parts)) <= limit:
        return "".join(parts)
    room, kept = limit - len(CUT), []
    for part in parts:
        room -= len(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept) + CUT


def _header(title: str) -> Block:
    words = cut(" ".join(title.split()) or "(no title)", HEADER)
    return {"type": "header", "text": {"type": "plain_text", "text": words, "emoji": False}}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _chunks(facts: tuple[tuple[str, str], ...]) -> list[tuple[tuple[str, str], ...]]:
    rest = iter(facts)
    return list(iter(lambda: tuple(islice(rest, FIELDS)), ()))


def _fields(facts: tuple[tuple[str, str], ...]) -> Block:
    return {
        "type": "section",
        "fields": [
            {
                "type": "mrkdwn",
                "text": f"*{escaped(name, 200)}*\n{escaped(value or '–', FIELD - 210)}",
            }
            for name, value in facts
        ],
    }


def _command(command: str) -> Block:
    """A command to copy, below the words that say what it is for."""
    plain, _, purpose = command.replace("`", "'").partition("  # ")  # a backtick ends the code
    words = f"{escaped(purpose, 200)}:\n" if purpose else ""
    return _section(f"{words}```{escaped(plain, SECTION - len(words) - 6)}```")


def _links(links: tuple[tuple[str, str], ...]) -> str:
    """Whole links up to the limit: half a link is none."""
    told = ""
    for label, address in links:
        line = f"{_link(label, address)}\n"
        if len(told) + len(line) > SECTION - len(CUT):
            return told + CUT
        told += line
    return told.rstrip("\n")


def _link(label: str, address: str) -> str:
    clean = address.startswith(("http://", "https://")) and not set(address) & set("<>| \n")
    if not clean:  # shown, never made clickable
        return f"{escaped(label, 200)}: {escaped(address, 500)}"
    words = escaped(label.replace("|", "/"), 200)
    return f"<{escaped(address, 1500)}|{words}>"
