"""The page's value as HTML, through the template; charts are drawn here and told as tables."""

from __future__ import annotations

from functools import cache
from typing import Any

from policies.vocabulary import Value
from tasks.documents.page import words
from tasks.documents.page.charts import effect_chart, strength_chart
from tasks.documents.page.exposure_charts import answered_chart, share_chart
from tasks.documents.page.page import ReleasePage
from tasks.documents.page.readings import Reading, Series
from tasks.documents.page.svg import WIDTHS
from tasks.documents.rendering import TEMPLATES

COLUMNS = (
    "look", "effect", "interval", "margin", "rolls back at", "finding", "e-value, safe",
    "e-value, harm", "rows", "units",
)  # fmt: skip


class Figure(Value):
    """One guardrail, drawn and told."""

    series: Series
    effect: str  # SVG
    strength: str  # empty for a part: the smaller picture tells enough
    rows: tuple[tuple[str, ...], ...]
    parts: tuple[Figure, ...] = ()


def render_page(page: ReleasePage) -> str:
    """One HTML file. Every text is escaped by the template; only the charts, which escape theirs
    themselves, pass as they are. A name the data lacks is an error, never a blank.
    """
    drawn = {"figures": _figures(page), **_exposure(page)}
    return str(_template().render(page=page, **drawn))


@cache
def _template() -> Any:
    """Compiled once a process: a release's page is written at every look."""
    import jinja2  # 0.1 s that only writers of documents need
    from markupsafe import Markup

    world = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    world.globals |= {"words": words, "widths": WIDTHS, "columns": COLUMNS, "Markup": Markup}
    return world.get_template("release_page.html.j2")


def _figures(page: ReleasePage) -> list[Figure]:
    """Each guardrail with its parts; a part is drawn smaller."""
    drawn = [_figure(series, page, n) for n, series in enumerate(page.series)]
    return [
        figure.model_copy(
            update={"parts": tuple(f for f in drawn if f.series.part_of == figure.series.name)}
        )
        for figure in drawn
        if figure.series.part_of is None
    ]


def _figure(series: Series, page: ReleasePage, number: int) -> Figure:
    strength = strength_chart(series, page.stretches, f"strength-{number}")
    beside = [one for one in page.series if series.part_of and one.part_of == series.part_of]
    return Figure(
        series=series,
        effect=effect_chart(series, page.stretches, f"effect-{number}", beside),
        strength="" if series.part_of else strength,
        rows=tuple(_row(reading) for reading in series.readings),
    )


def _row(reading: Reading) -> tuple[str, ...]:
    item = reading.evidence
    return (
        f"{words.moment(reading.at)} · {reading.step}, {reading.number}",
        words.signed(item.effect),
        words.interval(item.lower, item.upper),
        words.figure(item.margin),
        words.figure(item.rollback_at),
        "; ".join(filter(None, (_found(reading), item.onset))),
        words.power(item.log_e_safe),
        words.power(item.log_e_harm),
        words.count(item.n),
        f"{words.count(item.clusters)} {item.unit}".strip(),
    )


def _found(reading: Reading) -> str:
    return reading.finding.value if reading.finding else reading.evidence.status


def _exposure(page: ReleasePage) -> dict[str, Any]:
    met = any(each.value for each in page.shares)  # a line at zero says less than a sentence
    share = share_chart(page.shares, page.stretches, "share") if met else ""
    answered = answered_chart(page.counts, page.stretches, "answered") if page.counts else ""
    return {"share_svg": share, "answered_svg": answered}
