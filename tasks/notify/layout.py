"""A message laid out in Slack's Block Kit, within its limits.

What does not fit is cut where people see it (``… (cut)``); ``&``, ``<`` and ``>`` are escaped, so
no text of a model, a policy or a person can become a link or a mention.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from policies.vocabulary import Message

HEADER, SECTION, FIELD, FIELDS, BLOCKS, FALLBACK = 150, 3000, 2000, 10, 50, 4000
CUT = "… (cut)"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Block = dict[str, Any]


def blocks(message: Message) -> list[Block]:
    """Header, body, facts, commands and links, in the order in which people read."""
    laid = [_header(message.title)]
    if message.body.strip():
        laid.append(_section(escaped(message.body, SECTION)))
    laid += [_fields(chunk) for chunk in _chunks(message.facts)]
    laid += [_command(command) for command in message.commands]
    if message.links:
        laid.append(_section(_links(message.links)))
    return laid if len(laid) <= BLOCKS else [*laid[: BLOCKS - 1], _section(CUT)]


def fallback(message: Message) -> str:
    """Plain words for notifications and screen readers."""
    return escaped(f"{message.title}. {message.body}", FALLBACK)


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
    plain = command.replace("`", "'")  # a backtick would end the code early
    return _section(f"```{escaped(plain, SECTION - 6)}```")


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
