"""The charts of exposure: the candidate's share, and the requests it has answered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tasks.documents.page import words
from tasks.documents.page.axes import Scale, Span
from tasks.documents.page.exposure import Moment, Stretch
from tasks.documents.page.marks import BOTTOM, TOP, dates, ground, levels
from tasks.documents.page.svg import chart, letters, line, marker, rect

HEIGHT = 150.0


def share_chart(shares: Sequence[Moment], bands: Sequence[Stretch], key: str) -> str:
    """The candidate's share of live traffic, step by step."""
    span = Span(bands[0].start, bands[-1].end)
    scale = Scale(0.0, 100.0, TOP + 14, HEIGHT - BOTTOM)
    shapes = [
        *ground(bands, span, HEIGHT),
        *levels(scale, lambda value: f"{value:g} %", [0.0, 50.0, 100.0]),
        *_steps(shares, span, scale),
        *dates(span, HEIGHT),
    ]
    told = ", ".join(f"{words.share(each.value)} from {words.moment(each.at)}" for each in shares)
    return chart(key, "The candidate's share of live traffic", told, HEIGHT, shapes)


def _steps(shares: Sequence[Moment], span: Span, scale: Scale) -> list[str]:
    shapes: list[str] = []
    ends = [each.at for each in shares[1:]] + [span.end]
    before = scale.bottom
    for each, end in zip(shares, ends, strict=True):
        x1, x2, y = span.x(each.at), span.x(end), scale.y(each.value / 100)
        shapes.append(rect(x1, y, max(0.0, x2 - x1), scale.bottom - y, "area"))
        shapes += [line(x1, before, x1, y, "share"), line(x1, y, x2, y, "share")]
        before = y
    return shapes


def answered_chart(counts: Sequence[Moment], bands: Sequence[Stretch], key: str) -> str:
    """Live requests that the candidate has answered so far, as each look counted them."""
    span = Span(bands[0].start, bands[-1].end)
    most = max(each.value for each in counts)
    scale = Scale(0.0, 1.08 * max(most, 1), 8.0, HEIGHT - BOTTOM)
    places = [(span.x(each.at), scale.y(each.value)) for each in counts]
    shapes = [
        *ground(bands, span, HEIGHT, named=False),
        *levels(scale, lambda value: words.count(round(value)), scale.ticks(3)),
        *(line(*a, *b, "answered") for a, b in pairwise(places)),
        *(marker(x, y, "tiny") for x, y in places),
        letters(*places[-1], words.count(counts[-1].value), "line-name end", dx=-12),
        *dates(span, HEIGHT),
    ]
    last = counts[-1]
    told = f"{words.counted(last.value, 'request')} answered by {words.moment(last.at)}."
    return chart(key, "Requests the candidate has answered", told, HEIGHT, shapes)
