"""The few shapes that the charts are made of, as text that no value can break out of.

A chart has no fixed width: places along x are shares of whatever width the page has, so lines
stay where they belong and letters keep their size, on a wide screen and on a phone. Places along
y are pixels. What is told only where it fits carries the least width it needs (``fit``) or the
width from which something longer stands there (``until``), in steps the style sheet knows.
"""

from __future__ import annotations

from html import escape

WIDTHS = tuple(range(200, 1_160, 40))  # of a chart, in pixels: where texts appear and disappear
LETTER_PX = 6.6  # a letter at the charts' size


def text_width(text: str) -> float:
    return LETTER_PX * len(text) + 8.0


def at(share: float) -> str:
    """A place along x: 0 is the left end, 1 the right end."""
    return f"{100.0 * share:.2f}%"


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return (
        f'<line x1="{at(x1)}" y1="{y1:.1f}" x2="{at(x2)}" y2="{y2:.1f}" class="{escape(style)}"/>'
    )


def rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return (
        f'<rect x="{at(x)}" y="{y:.1f}" width="{at(width)}" height="{height:.1f}" '
        f'class="{escape(style)}"/>'
    )


def letters(x: float, y: float, text: str, style: str, *, dx: float = 0.0) -> str:
    nudge = f' dx="{dx:g}"' if dx else ""
    place = f'x="{at(x)}" y="{y:.1f}"{nudge}'
    return f'<text {place} class="{escape(style)}">{escape(text)}</text>'


def marker(x: float, y: float, shape: str) -> str:
    """A dot, a ring or a cross: the shape tells the finding, not only its colour."""
    if shape == "cross":
        arms = '<path d="M-4.5 -4.5 L4.5 4.5 M-4.5 4.5 L4.5 -4.5"/>'
    elif shape == "beyond-up":
        arms = '<path d="M-4 2 L0 -4 L4 2 Z"/>'
    elif shape == "beyond-down":
        arms = '<path d="M-4 -2 L0 4 L4 -2 Z"/>'
    else:
        arms = '<circle r="2"/>' if shape == "tiny" else '<circle r="4"/>'
    return (
        f'<svg x="{at(x)}" y="{y:.1f}" class="mark {escape(shape)}" aria-hidden="true">{arms}</svg>'
    )


def fit(width_px: float, share: float) -> str:
    """The class of what is told only where ``share`` of the chart has ``width_px``."""
    return f"fit fit-{_step(width_px, share)}"


def until(width_px: float, share: float) -> str:
    """The class of what gives way as soon as ``share`` of the chart has ``width_px``."""
    return f"until-{_step(width_px, share)}"


def _step(width_px: float, share: float) -> int:
    needed = width_px / share if share > 0 else float("inf")
    return next((width for width in WIDTHS if width >= needed), 9999)


def chart(key: str, title: str, description: str, height: float, shapes: list[str]) -> str:
    """The whole drawing, with its name and its description for those who do not see it."""
    name = escape(key)
    return (
        f'<svg class="chart" role="img" aria-labelledby="{name}-t {name}-d" height="{height:g}" '
        f'width="100%"><title id="{name}-t">{escape(title)}</title>'
        f'<desc id="{name}-d">{escape(description)}</desc>{"".join(shapes)}</svg>'
    )
