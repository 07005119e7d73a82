"""Charts hold whatever they are given, and what is left out is chosen honestly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.vocabulary import Evidence, Finding
from tasks.documents.page import words
from tasks.documents.page.axes import Scale, Span, fitting
from tasks.documents.page.charts import effect_chart, strength_chart
from tasks.documents.page.exposure import Stretch
from tasks.documents.page.readings import Reading, Series
from tasks.documents.page.thinning import thin
from tests.unit.documents.html_reader import Page

START = datetime(2026, 3, 1, tzinfo=UTC)
number = st.none() | st.floats(-1e6, 1e6)
readings = st.lists(
    st.builds(
        lambda hours, effect, down, up, harm, safe, finding: Reading(
            at=START + timedelta(hours=hours),
            step="canary 5 %",
            number=1,
            seq=1,
            finding=finding,
            evidence=Evidence(
                name="q",
                kind="sequential",
                effect=effect,
                lower=down,
                upper=up,
                margin=0.02,
                rollback_at=0.008,
                weight=0.5,
                log_e_harm=harm,
                log_e_safe=safe,
            ),
        ),
        st.integers(0, 900),
        number,
        number,
        number,
        number,
        number,
        st.none() | st.sampled_from(Finding),
    ),
    min_size=1,
    max_size=6,
)
BANDS = [
    Stretch(name="shadow", start=START, end=START + timedelta(days=3)),
    Stretch(name="canary 5 %", start=START + timedelta(days=3), end=START + timedelta(days=9)),
]


def series(found: list[Reading]) -> Series:
    return Series(
        name="q",
        part_of=None,
        why="",
        readings=tuple(found),
        looks=len(found),
        harm_needed=3.7,
        safe_needed=3.0,
        reason="",
    )


@given(readings)
def test_no_evidence_breaks_a_chart(found: list[Reading]) -> None:
    """Every place is on the chart, and no number is one that a browser cannot read."""
    for draw in (effect_chart, strength_chart):
        svg = draw(series(found), BANDS, "k")
        assert Page(svg).faults == []
        assert not re.search(r'="[^"]*(nan|inf)', svg)
        places = re.findall(r' x[12]?="(-?[\d.]+)%"', svg)
        assert all(0.0 <= float(place) <= 100.0 for place in places)


def test_the_margin_changes_with_its_step() -> None:
    """A step's margin is drawn over that step and no further, and named where it changes."""
    item = Evidence(name="q", kind="sequential", effect=0.0, margin=0.06, rollback_at=0.01)
    tighter = item.model_copy(update={"margin": 0.05})
    found = [
        Reading(at=START + timedelta(days=d), step=s, number=1, seq=1, finding=None, evidence=e)
        for d, s, e in ((2, "shadow", item), (8, "canary 5 %", tighter))
    ]
    svg = effect_chart(series(found), BANDS, "k")
    margins = re.findall(r'<line x1="([\d.]+)%" y1="([\d.]+)" x2="([\d.]+)%" y2="([\d.]+)" '
                         r'class="margin"/>', svg)  # fmt: skip
    level = [(a, c) for a, b, c, d in margins if b == d]
    assert level == [("0.00", "33.33"), ("33.33", "100.00")]
    assert "margin 0.06" in svg and ">0.05</text>" in svg


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(-9, 9)), min_size=1, max_size=300))
def test_thinning_keeps_ends_extremes_and_order(points: list[tuple[str, float]]) -> None:
    """However many looks change their finding, the limit holds and the extremes stay."""
    kept = thin(points, kind=lambda p: p[0], sizes=[lambda p: p[1]], most=20)
    assert len(kept) <= 20
    assert len(kept) == min(20, len(points))
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    values = [value for _, value in points]
    assert {min(values), max(values)} <= {value for _, value in kept}
    rest = iter(points)
    assert all(any(each is other for other in rest) for each in kept)


def test_thinning_keeps_both_sides_of_a_change() -> None:
    """Where a finding changed can be seen to the look, and so can the one look that stood out."""
    points = [(n, n >= 700, 9.0 if n == 437 else 1.0) for n in range(1000)]
    thinned = thin(points, kind=lambda p: p[1], sizes=[lambda p: p[2]], most=30)
    assert {0, 437, 699, 700, 999} <= {n for n, _, _ in thinned}


@pytest.mark.parametrize("hours", [0, 1, 20, 200, 2000, 90_000])
def test_dates_are_few_and_within(hours: int) -> None:
    """From an hour to ten years: some round moments, in order, none beyond the ends."""
    span = Span(START, START + timedelta(hours=hours))
    ticks = [moment for moment, _ in span.ticks()]
    assert 1 <= len(ticks) <= 8
    assert all(a < b for a, b in pairwise(ticks))
    assert all(span.start <= tick <= span.end for tick in ticks)


@given(st.floats(-100, 100), st.floats(1e-6, 100), st.lists(st.floats(-1e5, 1e5), max_size=5))
def test_a_scale_holds_its_core_and_few_levels(low: float, width: float, wide: list[float]) -> None:
    """Whiskers may be cut off, effects and margins never."""
    scale = fitting([low, low + width], wide, 10.0, 200.0)
    assert scale.holds(low) and scale.holds(low + width)
    assert scale.high - scale.low <= 2.0 * width + 1e-9
    assert 2 <= len(scale.ticks()) <= 7
    assert all(10.0 <= scale.y(value) <= 200.0 for value in (low, *wide))


def test_a_scale_of_one_value_has_room() -> None:
    """Errors that are all zero are still a line that can be seen."""
    scale = fitting([0.0], [], 10.0, 200.0)
    assert scale.low < 0.0 < scale.high
    assert isinstance(scale, Scale)


WORDS = [
    (words.signed(-0.00001), "0.0000"),
    (words.signed(0.0337), "+0.0337"),
    (words.signed(None), "–"),
    (words.interval(None, 0.5), "no lower bound to +0.5000"),
    (words.interval(None, None), "no bounds yet"),
    (words.power(2.9957), "20"),
    (words.power(404.0), "10^175"),
    (words.power(None), "–"),
    (words.counted(1, "look"), "1 look"),
    (words.counted(20089, "request"), "20\u202f089 requests"),
    (words.span(0.31), "0.3 seconds"),
    (words.span(62 * 86400), "62 days"),
    (words.span(86400), "24 hours"),
    (words.first_sentence("parity: 0.3 against 0.001. dewp: all."), "parity: 0.3 against 0.001"),
    (words.first_sentence("x" * 300), "x" * 239 + "…"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), WORDS)
def test_numbers_and_times_read_naturally(told: str, expected: str) -> None:
    """Nothing that rounds to zero has a sign, and no figure is longer than it is exact."""
    assert told == expected
