"""What every chart stands on: the steps as bands, levels with their values, dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.documents.page.axes import Scale, Span
from tasks.documents.page.exposure import Stretch
from tasks.documents.page.svg import fit, letters, line, rect, text_width, until

TOP, BOTTOM = 24.0, 28.0  # pixels kept for the steps' names and for the dates


def ground(bands: Sequence[Stretch], span: Span, height: float, *, named: bool = True) -> list[str]:
    """Every second step shaded; its name, or the end of its name, where there is room."""
    shapes = []
    for number, band in enumerate(bands):
        x, width = span.x(band.start), span.x(band.end) - span.x(band.start)
        if band.end <= span.start or width <= 0:
            continue
        shapes.append(rect(x, 0, width, height - BOTTOM + 2, "band odd" if number % 2 else "band"))
        if named:
            shapes += _band_name(band.name, x, width)
    return shapes


def _band_name(name: str, x: float, width: float) -> list[str]:
    short = name.split(" ", 1)[-1]
    middle = x + width / 2
    long = letters(middle, 15, name, f"step middle {fit(text_width(name), width)}")
    if short == name:
        return [long]
    style = f"step middle {fit(text_width(short), width)} {until(text_width(name), width)}"
    return [long, letters(middle, 15, short, style)]


def levels(
    scale: Scale, told: Callable[[float], str], ticks: Sequence[float] | None = None
) -> list[str]:
    shapes = []
    for value in scale.ticks() if ticks is None else ticks:
        y = scale.y(value)
        shapes.append(line(0, y, 1, y, "level"))
        shapes.append(letters(0, y + 4, told(value), "value end", dx=-8))
    return shapes


def dates(span: Span, height: float) -> list[str]:
    """Every date where there is room; every second or fourth where there is less."""
    ticks = span.ticks()
    shapes = []
    for number, (moment, text) in enumerate(ticks):
        x = span.x(moment)
        shapes.append(line(x, height - BOTTOM, x, height - BOTTOM + 5, "tick"))
        every = next(n for n in (4, 2, 1) if number % n == 0)
        room = fit(text_width(text) + 6, every / max(len(ticks), 1))
        place = "start" if x < 0.03 else "end" if x > 0.97 else "middle"
        shapes.append(letters(x, height - 8, text, f"date {place} {room}"))
    return shapes
