"""Laws that hold for every unit and kind of guardrail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.schema import Guardrail
from policies.vocabulary import Counts, Decision, Evidence, Moments, PairMoments, WindowPair
from tasks.evidence.running import Running, is_day_mean
from tasks.evidence.sequential import weigh, weigh_all, weigh_further
from tasks.evidence.summary import NO_COUNTS, NO_PAIRS
from tests.unit.evidence.rails import (
    ARMS,
    BUDGET,
    MEANS,
    RAILS,
    RATIOS,
    look,
    verdict,
    windows,
)

HARM = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])  # in margins
SEED = st.integers(0, 1000)
ROWS = st.sampled_from([200, 5_000, 40_000])
MOMENTS = ("paired", "others", "champion_units", "candidate_units")
PAIRS = ("champion_pairs", "candidate_pairs")
COUNTS = ("champion", "candidate")


def near(one: Evidence, other: Evidence, by: float = 1e-9) -> bool:
    """The same evidence but for rounding."""
    return all(
        a == b or (a is not None and a == pytest.approx(b, rel=by, abs=by))
        for field in ("effect", "log_e_harm", "log_e_safe", "n", "clusters")
        for a, b in [(getattr(one, field), getattr(other, field))]
    )


def in_parts(window: WindowPair) -> list[WindowPair]:
    """The same rows as two windows of one day and step: merged, they are the window again."""
    halves: list[dict[str, Counts | Moments | PairMoments]] = [{}, {}]
    for field in COUNTS:
        if (counts := getattr(window, field)) is not None:
            n, events = counts.n // 3, min(counts.events // 2, counts.n // 3)
            halves[0][field] = Counts(n=n, events=events)
            halves[1][field] = Counts(n=counts.n - n, events=counts.events - events)
    for field in MOMENTS:
        if (whole := getattr(window, field)) is not None:
            n, m, gap = whole.n // 4, whole.n - whole.n // 4, 1e-3
            between = gap**2 * n * m / whole.n
            m2 = (whole.m2 - between) / 2
            halves[0][field] = Moments(n=n, mean=whole.mean + gap * m / whole.n, m2=m2)
            halves[1][field] = Moments(n=m, mean=whole.mean - gap * n / whole.n, m2=m2)
    for field in PAIRS:
        if (pairs := getattr(window, field)) is not None:
            for half, part in zip(halves, pairs_in_parts(pairs), strict=True):
                half[field] = part
    return [window.model_copy(update=half) for half in halves]


def pairs_in_parts(whole: PairMoments) -> list[PairMoments]:
    """A quarter of the users, who ask and pay a little more, and all the others."""
    n, m = whole.n // 4, whole.n - whole.n // 4
    gap = 1e-3
    between = gap**2 * n * m / whole.n
    squares = {field: (getattr(whole, field) - between) / 2 for field in ("m2_x", "m2_y", "c_xy")}
    return [
        PairMoments(n=size, mean_x=whole.mean_x + off, mean_y=whole.mean_y + off, **squares)
        for size, off in ((n, gap * m / whole.n), (m, -gap * n / whole.n))
    ]


@pytest.mark.parametrize("name", RAILS)
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(harm=HARM, seed=SEED, rows=ROWS, data=st.data())
def test_merging_in_any_order_gives_the_same_verdict(
    name: str, harm: float, seed: int, rows: int, data: st.DataObject
) -> None:
    """Windows whole or in parts, early, late or in any order."""
    rail = RAILS[name]
    whole = windows(rail, 8, worse=harm, seed=seed, rows=rows)
    parts = [part for each in reversed(whole) for part in in_parts(each)]
    mixed = data.draw(st.permutations(parts))
    assert near(weigh(rail, mixed, BUDGET), weigh(rail, whole, BUDGET), 1e-6)
    told, again = verdict(rail, whole), verdict(rail, mixed)
    assert (told.decision, told.finding) == (again.decision, again.finding)


STEPS = ("shadow", "canary 5 %", "ramp 25 %")


def on_steps(found: list[WindowPair], cuts: list[int]) -> list[WindowPair]:
    """A new step from each place on; on its first day the old step still has windows too."""
    made = []
    for place, each in enumerate(found):
        step = sum(place >= cut for cut in cuts)
        made.append(each.model_copy(update={"step": STEPS[step]}))
        if place in cuts:
            old, new = in_parts(made.pop())
            made += [old.model_copy(update={"step": STEPS[step - 1]}), new]
    return made


@pytest.mark.parametrize("name", RAILS)
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(harm=HARM, seed=SEED, cuts=st.lists(st.integers(1, 9), min_size=2, max_size=2, unique=True),
       sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6), late=st.booleans())  # fmt: skip
def test_look_by_look_is_the_same_as_all_at_once(
    name: str, harm: float, seed: int, cuts: list[int], sizes: list[int], late: bool
) -> None:
    """Windows folded as they come, over steps, with one that comes late: what a record of all
    windows recomputes."""
    rail = RAILS[name]
    found = on_steps(windows(rail, 10, worse=harm, seed=seed), sorted(cuts))
    if late:
        found = [*found[:2], *found[3:], found[2]]
    kept: dict[str, Running] = {}
    looks = sizes if is_day_mean(rail) else sizes[:1]  # the slow ones: now, and then all the rest
    for place, end in pairwise([0, *accumulate(looks), len(found)]):
        asked, new = look(rail, found[place:end])
        new = new if not place else {rail.name: found[place:end]}
        kept, further = weigh_further(kept, [asked], new, BUDGET, later_steps=4)
        asked, every = look(rail, found[: max(place, end)])
        told, whole = further[-1], weigh_all([asked], every, BUDGET, later_steps=4)[-1]
        assert told.name == whole.name == rail.name
        assert near(told, whole) and (told.onset, told.status) == (whole.onset, whole.status)


@pytest.mark.parametrize("name", RAILS)
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(harm=HARM, seed=SEED, without=st.sampled_from([(1, 6), (4,), (0, 11), (1, 2, 7)]))
def test_windows_of_nobody_change_nothing(
    name: str, harm: float, seed: int, without: tuple[int, ...]
) -> None:
    """Also among days on which two steps have rows, which stay one day each."""
    rail = RAILS[name]
    found = on_steps(windows(rail, 10, worse=harm, seed=seed), [3, 7])
    some = [each for place, each in enumerate(found) if place not in without]
    blank = [emptied(each) if place in without else each for place, each in enumerate(found)]
    one, other = (weigh(rail, each, BUDGET, later_steps=4) for each in (blank, some))
    assert near(one, other) and one.clusters == other.clusters


def emptied(window: WindowPair) -> WindowPair:
    fields: dict[str, Counts | Moments | PairMoments] = {
        field: Moments(n=0) for field in MOMENTS
    } | dict.fromkeys(PAIRS, NO_PAIRS)
    fields |= dict.fromkeys(COUNTS, NO_COUNTS)
    return window.model_copy(update={f: e for f, e in fields.items() if getattr(window, f)})


def test_a_broken_window_is_remembered() -> None:
    """Good windows that come after one that cannot be do not make it good."""
    rail = RAILS["paired, day"]
    good = windows(rail, 10)
    bad = good[4].model_copy(update={"paired": Moments.model_construct(n=9, mean=0.0, m2=-1.0)})
    kept: dict[str, Running] = {}
    for new in ([*good[:4], bad], good[5:]):
        kept, (told,) = weigh_further(kept, [rail], {"rail": new}, BUDGET)
        assert told.status == "invalid" and "M2=-1.0" in told.detail


def scaled(rail: Guardrail, by: float) -> Guardrail:
    """The same guardrail in another unit: cents for euros, bits for nats."""
    own = {"cap": rail.cap * by} if rail.cap else {}
    if not rail.relative:
        own |= {
            "margin": rail.margin * by,
            "rollback_at": rail.rollback_at * by,
            "information": rail.information / by**2,
        }
    return rail.model_copy(update=own)


def in_unit(window: WindowPair, by: float) -> WindowPair:
    """Means in it; of a ratio, what is divided."""
    moments = {
        field: Moments(n=old.n, mean=old.mean * by, m2=old.m2 * by**2)
        for field in MOMENTS
        if (old := getattr(window, field)) is not None
    }
    pairs = {
        field: old.model_copy(
            update={"mean_y": old.mean_y * by, "m2_y": old.m2_y * by**2, "c_xy": old.c_xy * by}
        )
        for field in PAIRS
        if (old := getattr(window, field)) is not None
    }
    return window.model_copy(update={**moments, **pairs})


@pytest.mark.parametrize("name", [*MEANS, *RATIOS])
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(harm=HARM, seed=SEED, by=st.sampled_from([1e-6, 0.01, 1.4427, 1e6]))
def test_the_unit_of_values_changes_nothing(name: str, harm: float, seed: int, by: float) -> None:
    rail = RAILS[name]
    plain = windows(rail, 8, worse=harm, seed=seed)
    told = weigh(rail, plain, BUDGET)
    other = weigh(scaled(rail, by), [in_unit(each, by) for each in plain], BUDGET)
    assert other.log_e_harm == pytest.approx(told.log_e_harm, rel=1e-7, abs=1e-7)
    assert other.log_e_safe == pytest.approx(told.log_e_safe, rel=1e-7, abs=1e-7)
    unit = 1.0 if rail.relative else by
    assert other.effect == pytest.approx((told.effect or 0.0) * unit, rel=1e-7, abs=1e-12 * unit)


@pytest.mark.parametrize("name", RAILS)
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(seed=SEED, days=st.sampled_from([400, 31, 1, -1, -365]))
def test_the_calendar_changes_nothing(name: str, seed: int, days: int) -> None:
    """The same release in another month."""
    plain = windows(RAILS[name], 8, seed=seed)
    moved = [w.model_copy(update={"start": w.start + timedelta(days=days)}) for w in plain]
    assert near(weigh(RAILS[name], moved, BUDGET), weigh(RAILS[name], plain, BUDGET))


def dearer(old: PairMoments, by: float) -> dict[str, float]:
    """Every request of every user costs as much more."""
    return {
        "mean_y": old.mean_y + by * old.mean_x,
        "m2_y": old.m2_y + 2.0 * by * old.c_xy + by**2 * old.m2_x,
        "c_xy": old.c_xy + by * old.m2_x,
    }


def harmed(rail: Guardrail, found: Sequence[WindowPair], by: float) -> list[WindowPair]:
    """The candidate worse by as much in every window."""
    arm = ARMS[rail.kind]
    worse = -1.0 if rail.direction == "up" else 1.0
    made = []
    for window in found:
        old = getattr(window, arm)
        new: dict[str, float] = {}
        if isinstance(old, PairMoments):
            new = dearer(old, worse * by * (10.0 * rail.margin if rail.relative else rail.margin))
        elif isinstance(old, Counts):
            margin = 0.01 * rail.margin if rail.relative else rail.margin
            new["events"] = min(old.n, old.events + round(old.n * margin * by))
        else:
            margin = 10.0 * rail.margin if rail.relative else rail.margin
            new["mean"] = old.mean + worse * by * margin
        made.append(window.model_copy(update={arm: old.model_copy(update=new)}))
    return made


@pytest.mark.parametrize("name", RAILS)
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(harm=st.sampled_from([4.0, 2.0, 1.0]), seed=SEED, rows=ROWS,
       by=st.sampled_from([10.0, 3.0, 0.3, 0.01]),
       count=st.sampled_from([6, 12, 3, 2, 1]))  # fmt: skip
def test_more_harm_never_turns_roll_back_into_hold(
    name: str, harm: float, seed: int, rows: int, by: float, count: int
) -> None:
    """Worse by as much in every window: what was rolled back still is, with no less evidence."""
    rail = RAILS[name]
    plain = windows(rail, count, worse=harm, seed=seed, rows=rows)
    if verdict(rail, plain).decision is Decision.ROLL_BACK:
        assert verdict(rail, harmed(rail, plain, by)).decision is Decision.ROLL_BACK
