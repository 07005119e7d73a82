"""Slack's Block Kit as HTML and as Markdown: what people see, made from the very JSON that is sent.

Only what our layout uses is drawn; an unknown block is an error, so a page can hide nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from policies.errors import RefusedError

Block = dict[str, Any]
_CODE = re.compile(r"```(.*?)```", re.DOTALL)
_ANGLE = re.compile(r"<([^<>]+)>")
_BOLD = re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])")
_INLINE = re.compile(r"`([^`\n]+)`")


def as_html(blocks: Sequence[Block]) -> str:
    return "\n".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    if block["type"] == "header":
        return f'<h3 class="header">{html.escape(block["text"]["text"])}</h3>'
    if block["type"] == "section" and "fields" in block:
        cells = "".join(f"<div>{mrkdwn(field['text'])}</div>" for field in block["fields"])
        return f'<div class="fields">{cells}</div>'
    if block["type"] == "section":
        return f'<div class="section">{mrkdwn(block["text"]["text"])}</div>'
    raise RefusedError(f"A block of type {block['type']} is not drawn.", advice="Draw it here.")


def mrkdwn(text: str) -> str:
    """Slack's markup; ``&``, ``<`` and ``>`` come escaped and stay so."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_inline(text[end : code.start()]), f"<pre>{code.group(1)}</pre>"]
        end = code.end()
    parts.append(_inline(text[end:]))
    return "".join(parts)


def _inline(text: str) -> str:
    drawn = _ANGLE.sub(lambda found: _reference(found.group(1)), text)
    drawn = _INLINE.sub(r"<code>\1</code>", _BOLD.sub(r"<b>\1</b>", drawn))
    return drawn.strip("\n").replace("\n", "<br>")


def _reference(inside: str) -> str:
    """A mention or a link, as Slack shows it."""
    if inside.startswith("!subteam^"):
        return f'<span class="mention">@{inside.removeprefix("!subteam^")}</span>'
    if inside.startswith(("@", "!")):
        return f'<span class="mention">@{inside[1:]}</span>'
    address, _, words = inside.partition("|")
    return f'<a href="{address.replace(chr(34), "%22")}">{words or address}</a>'


def as_markdown(blocks: Sequence[Block]) -> str:
    """A blockquote: bold header, paragraphs, commands as code, facts as a list."""
    lines: list[str] = []
    for block in blocks:
        lines += [*_lines(block), ""]
    return "\n".join(f"> {line}".rstrip() for line in lines[:-1])


def _lines(block: Block) -> list[str]:
    if block["type"] == "header":
        return [f"**{_plain(html.escape(block['text']['text'], quote=False))}**"]
    if block["type"] == "section" and "fields" in block:
        return [f"- {_field(field['text'])}" for field in block["fields"]]
    if block["type"] == "section":
        return _paragraph(block["text"]["text"])
    raise RefusedError(f"A block of type {block['type']} is not drawn.", advice="Draw it here.")


def _field(text: str) -> str:
    name, _, value = text.partition("\n")
    return f"{_plain(name.strip('*'))}: **{_plain(value)}**"


def _paragraph(text: str) -> list[str]:
    lines, end = [], 0
    for code in _CODE.finditer(text):
        lines += _prose(text[end : code.start()])
        lines += [
            *([""] if lines else []),
            "```",
            *html.unescape(code.group(1)).splitlines(),
            "```",
        ]
        end = code.end()
    return lines + _prose(text[end:])


def _prose(text: str) -> list[str]:
    said = text.strip("\n")
    return (
        "\n\n".join(_plain(_shown(line)) for line in said.split("\n")).split("\n") if said else []
    )


def _shown(line: str) -> str:
    def reference(found: re.Match[str]) -> str:
        inside = found.group(1)
        if inside.startswith(("@", "!")):
            return "@" + inside.removeprefix("!subteam^").lstrip("@!")
        address, _, words = inside.partition("|")
        return f"{words or address} ({address})"

    return _ANGLE.sub(reference, line)


def _plain(text: str) -> str:
    return text.replace("*", "\\*").replace("_", "\\_").replace("[", "\\[")
