"""A guardrail's charts: effects with their intervals, and the strength of the evidence.

Each says in its description what it shows, so that nothing is known to the eye alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from policies.vocabulary import Finding
from tasks.documents.page import words
from tasks.documents.page.axes import Scale, Span, fitting
from tasks.documents.page.exposure import Stretch
from tasks.documents.page.marks import BOTTOM, TOP, dates, ground, levels
from tasks.documents.page.readings import Reading, Series
from tasks.documents.page.svg import chart, fit, letters, line, marker, text_width

EFFECT_HEIGHT, PART_HEIGHT, STRENGTH_HEIGHT = 270.0, 190.0, 150.0
SHAPES: Mapping[Finding | None, str] = {
    Finding.SAFE: "dot",
    Finding.HARMFUL: "cross",
}  # anything else is a ring
FAINTEST, STRONGEST = -2.0, 4.0  # powers of ten between which strength is drawn


def effect_chart(
    series: Series, bands: Sequence[Stretch], key: str, beside: Sequence[Series] = ()
) -> str:
    """Candidate minus champion at every look, with margin and rollback line of each step.

    ``beside``: what is drawn next to it, on the same scale.
    """
    height = PART_HEIGHT if series.part_of else EFFECT_HEIGHT
    readings = series.readings
    span, scale = _span(bands, readings), _effect_scale([series, *beside], height)
    shapes = [
        *ground(bands, span, height),
        *levels(scale, words.figure),
        line(0, scale.y(0), 1, scale.y(0), "zero"),
        *(shape for each in readings for shape in _interval(each, span.x(each.at), scale)),
        *_stepped(readings, bands, span, scale, "rolls back", lambda r: r.evidence.rollback_at),
        *_stepped(readings, bands, span, scale, "margin", lambda r: r.evidence.margin),
        *(shape for each in readings for shape in _effect(each, span.x(each.at), scale)),
        *dates(span, height),
        letters(0, 15, "worse ↑", "value end", dx=-8),
        letters(0, height - 8, "better ↓", "value end", dx=-8),
    ]
    return chart(key, f"{series.name}: effect at each look", describe(series), height, shapes)


def describe(series: Series) -> str:
    """The chart in words: how many looks, where it ended, against which lines."""
    last, first = series.last, series.readings[0]
    item = last.evidence
    return (
        f"{words.counted(series.looks, 'look')} from {words.moment(first.at)} to "
        f"{words.moment(last.at)}. Last, at {last.step}: effect {words.signed(item.effect)} "
        f"({words.interval(item.lower, item.upper)}), margin {words.figure(item.margin)}, rolls "
        f"back at {words.figure(item.rollback_at)}: "
        f"{last.finding.value if last.finding else item.status}. Greater is worse."
    )


def strength_chart(series: Series, bands: Sequence[Stretch], key: str) -> str:
    """How strongly the evidence speaks for harm and for safety, against what each needs."""
    readings = series.readings
    span = _span(bands, readings)
    scale = Scale(FAINTEST - 0.2, STRONGEST + 0.4, 8.0, STRENGTH_HEIGHT - BOTTOM)
    needed = [("safe", series.safe_needed)]
    needed += [("harm", series.harm_needed)] if series.harm_needed is not None else []
    shapes = [
        *ground(bands, span, STRENGTH_HEIGHT, named=False),
        *levels(scale, _power_of_ten, [-2.0, 0.0, 2.0, 4.0]),
        *(line(0, _y(scale, value), 1, _y(scale, value), f"needed {n}") for n, value in needed),
        *_needed_labels(needed, scale),
        *_joined(readings, span, scale, "harm", lambda r: r.evidence.log_e_harm),
        *_joined(readings, span, scale, "safe", lambda r: r.evidence.log_e_safe),
        *dates(span, STRENGTH_HEIGHT),
    ]
    item = series.last.evidence
    description = (
        f"e-values on a scale of powers of ten, drawn between 0.01 and 10{words.THIN}000. Last: "
        f"for “within the margin” {words.power(item.log_e_safe)} of "
        f"{words.power(series.safe_needed)} needed, for “harmful” {words.power(item.log_e_harm)} "
        f"of {words.power(series.harm_needed)} needed for it alone to roll back."
    )
    title = f"{series.name}: strength of the evidence"
    return chart(key, title, description, STRENGTH_HEIGHT, shapes)


def _span(bands: Sequence[Stretch], readings: Sequence[Reading]) -> Span:
    """From the first step that weighed anything to the end of the last band."""
    first = readings[0]
    begins = next((band.start for band in bands if band.name == first.step), first.at)
    return Span(min(begins, first.at), max(bands[-1].end if bands else first.at, readings[-1].at))


def _effect_scale(drawn: Sequence[Series], height: float) -> Scale:
    """Every effect, margin and rollback line, and every last interval; of the rest what fits."""
    items = [each.evidence for series in drawn for each in series.readings]
    ends = [series.last.evidence for series in drawn]
    core = [0.0, *(v for item in items for v in (item.effect, item.margin, item.rollback_at) if v)]
    core += [v for item in ends for v in (item.lower, item.upper) if v is not None]
    wide = [v for item in items for v in (item.lower, item.upper) if v is not None]
    return fitting(core, wide, TOP + 6, height - BOTTOM)


def _interval(each: Reading, x: float, scale: Scale) -> list[str]:
    """A bar; an end beyond the chart, or open, is an arrow."""
    item = each.evidence
    if item.effect is None:
        return []
    low = scale.low if item.lower is None else item.lower
    high = scale.high if item.upper is None else item.upper
    shapes = [line(x, scale.y(low), x, scale.y(high), "interval")]
    if item.lower is None or not scale.holds(low):
        shapes.append(marker(x, scale.bottom, "beyond-down"))
    if item.upper is None or not scale.holds(high):
        shapes.append(marker(x, scale.top, "beyond-up"))
    return shapes


def _effect(each: Reading, x: float, scale: Scale) -> list[str]:
    effect = each.evidence.effect
    if effect is None:
        return []
    return [marker(x, scale.y(effect), SHAPES.get(each.finding, "ring"))]


def _stepped(
    readings: Sequence[Reading],
    bands: Sequence[Stretch],
    span: Span,
    scale: Scale,
    name: str,
    value: Callable[[Reading], float | None],
) -> list[str]:
    """A line that changes only from step to step, with its value where it changes."""
    shapes: list[str] = []
    before: float | None = None
    style = name.replace(" ", "-")
    for band in bands:
        level = next(
            (v for r in readings if r.step == band.name and (v := value(r)) is not None), None
        )
        if level is None:
            before = None
            continue
        x1, x2, y = span.x(band.start), span.x(band.end), scale.y(level)
        if before is not None and before != level:
            shapes.append(line(x1, scale.y(before), x1, y, style))
        shapes.append(line(x1, y, x2, y, style))
        if before != level:
            shapes += _level_name(name, level, before is None, (x1, x2), y)
        before = level
    return shapes


def _level_name(
    name: str, level: float, is_first: bool, ends: tuple[float, float], y: float
) -> list[str]:
    """The first value with the line's name; the later ones where their step has room."""
    x1, x2 = ends
    text = f"{name} {words.figure(level)}" if is_first else words.figure(level)
    room = "" if is_first else f" {fit(text_width(text), x2 - x1)}"
    style = f"line-name start {name.replace(' ', '-')}{room}"
    return [letters(x1, y - 5, text, style, dx=4)]


def _joined(
    readings: Sequence[Reading],
    span: Span,
    scale: Scale,
    style: str,
    value: Callable[[Reading], float | None],
) -> list[str]:
    places = [(span.x(r.at), _y(scale, v)) for r in readings if (v := value(r)) is not None]
    shapes = [line(*a, *b, style) for a, b in pairwise(places)]
    shape = "ring" if style == "harm" else "dot"
    return shapes + [marker(x, y, f"small {shape}") for x, y in places[-1:]]


def _needed_labels(needed: Sequence[tuple[str, float]], scale: Scale) -> list[str]:
    words_for = {"safe": "safe from", "harm": "rolls back alone from"}
    shapes = []
    for place, (name, value) in enumerate(needed):
        text = f"{words_for[name]} {words.power(value)}"
        y = _y(scale, value) + (14 if name == "safe" and place == 0 else -5)
        shapes.append(letters(0, y, text, f"line-name start {name}", dx=4))
    return shapes


def _y(scale: Scale, log_value: float) -> float:
    return scale.y(min(STRONGEST + 0.3, max(FAINTEST, log_value / math.log(10))))


def _power_of_ten(value: float) -> str:
    return {-2.0: "0.01", 0.0: "1", 2.0: "100", 4.0: f"10{words.THIN}000"}[value]
