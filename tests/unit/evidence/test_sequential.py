"""A guardrail's windows weighed: what counts, what is scarce, what is refused."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, Evidence, Moments, WindowPair
from tasks.evidence.sequential import MANY_EVENTS, STATISTICS_VERSION, weigh
from tasks.evidence.summary import moments_of

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
    weight=0.5, information=15_000, why="test",
)  # fmt: skip
ERRORS = Guardrail(
    name="errors", kind="proportion", metric="error", margin=0.01, rollback_at=0.004,
    weight=0.5, information=500_000, why="test",
)  # fmt: skip
MIDNIGHT = datetime(2013, 5, 1, 4, tzinfo=UTC)


def _quality(day: int, mean: float, n: int = 900, step: str = "shadow") -> WindowPair:
    start = MIDNIGHT + timedelta(days=day)
    return WindowPair(start=start, step=step, paired=Moments(n=n, mean=mean, m2=9.0))


def _errors(day: int, xa: int, na: int, xb: int, nb: int, step: str = "canary") -> WindowPair:
    return WindowPair(
        start=MIDNIGHT + timedelta(days=day),
        step=step,
        champion=Counts(n=na, events=xa),
        candidate=Counts(n=nb, events=xb),
    )


def _noisy(days: int, mean: float, seed: int = 1) -> list[WindowPair]:
    rng = random.Random(seed)
    return [_quality(day, rng.gauss(mean, 0.03)) for day in range(days)]


@pytest.mark.parametrize("guardrail", [QUALITY, ERRORS])
def test_no_windows_are_scarce_and_never_safe(guardrail: Guardrail) -> None:
    """Nothing seen is not enough evidence: no effect, e-values of one."""
    seen = weigh(guardrail, [], BUDGET)
    assert (seen.status, seen.effect, seen.n, seen.clusters) == ("scarce", None, 0, 0)
    assert seen.log_e_harm == 0.0 == seen.log_e_safe


@pytest.mark.parametrize(
    ("guardrail", "window"),
    [(QUALITY, _quality(0, 0.0, n=0)), (ERRORS, _errors(0, 0, 900, 0, 0))],
)
def test_windows_without_rows_are_scarce(guardrail: Guardrail, window: WindowPair) -> None:
    """An arm without a row compares nothing."""
    assert weigh(guardrail, [window], BUDGET).status == "scarce"


@pytest.mark.parametrize(
    "window",
    [
        _errors(0, 5, 4, 0, 10),
        _errors(0, 0, 4, 11, 10),
        _quality(0, 0.0),
        WindowPair.model_construct(
            start=MIDNIGHT, step="canary",
            champion=Counts.model_construct(n=-1, events=-2), candidate=Counts(n=1, events=0),
        ),
    ],
)  # fmt: skip
def test_impossible_counts_are_an_error(window: WindowPair) -> None:
    """More events than rows, negative rows, another kind of window: the instrument is broken."""
    with pytest.raises(EvidenceError):
        weigh(ERRORS, [window], BUDGET)


@pytest.mark.parametrize(
    "paired",
    [
        Moments.model_construct(n=-1, mean=0.0, m2=0.0),
        Moments.model_construct(n=3, mean=math.nan, m2=0.0),
        Moments.model_construct(n=3, mean=0.0, m2=math.nan),
        Moments.model_construct(n=3, mean=0.0, m2=-1.0),
        Moments.model_construct(n=3, mean=math.inf, m2=1.0),
        None,
    ],
)
def test_impossible_moments_are_an_error(paired: Moments | None) -> None:
    """NaN, negative counts or variances are never averaged away."""
    window = WindowPair.model_construct(start=MIDNIGHT, step="shadow", paired=paired)
    with pytest.raises(EvidenceError):
        weigh(QUALITY, [window], BUDGET)


def test_windows_shorter_than_a_day_are_an_error() -> None:
    """Hours of one day must not be passed off as independent days."""
    late = WindowPair(start=MIDNIGHT + timedelta(hours=6), step="shadow", paired=Moments(n=9))
    with pytest.raises(EvidenceError, match="whole days"):
        weigh(QUALITY, [_quality(0, 0.0), late], BUDGET)


def test_a_start_without_a_time_zone_is_an_error() -> None:
    """A day is a place's day."""
    naive = WindowPair(start=datetime(2013, 5, 1), step="x", paired=Moments(n=9))  # noqa: DTZ001
    with pytest.raises(EvidenceError):
        weigh(QUALITY, [naive], BUDGET)


@pytest.mark.parametrize("factor", [0.5, math.nan, math.inf])
def test_a_stage_margin_is_never_tighter_than_the_margin_nor_unknown(factor: float) -> None:
    with pytest.raises(EvidenceError):
        weigh(QUALITY, _noisy(9, 0.0), BUDGET, margin_factor=factor)


def test_safety_is_withheld_until_enough_days() -> None:
    """However good the first days are, fewer than min_clusters are too little to say."""
    early = weigh(QUALITY, _noisy(6, -0.5), BUDGET)
    assert early.status == "scarce"
    assert early.log_e_safe is not None and early.log_e_safe <= 0.0
    assert "6 of at least 7 days" in early.detail
    assert weigh(QUALITY, _noisy(7, -0.5), BUDGET).status == "ok"


def test_harm_is_told_before_enough_days() -> None:
    """A candidate that is much worse every day is found within the first week."""
    early = weigh(QUALITY, _noisy(6, 0.5), BUDGET)
    assert early.log_e_harm is not None and early.log_e_harm > math.log(1 / 0.025)


def test_an_equal_candidate_is_safe_in_the_end() -> None:
    """Days enough around zero prove "not worse than the margin", and no harm."""
    seen = weigh(QUALITY, _noisy(60, 0.0), BUDGET)
    assert seen.log_e_safe is not None and seen.log_e_safe >= math.log(20)
    assert seen.log_e_harm is not None and seen.log_e_harm < 0
    assert seen.lower is not None and seen.effect is not None and seen.upper is not None
    assert seen.lower < seen.effect < seen.upper < QUALITY.margin


def test_better_is_shown_of_what_is_better_and_of_nothing_else() -> None:
    """An equal candidate becomes safe, and never better; a few days show neither."""
    better, equal = _noisy(40, -0.05), _noisy(40, 0.0)
    shown, kept = weigh(QUALITY, better, BUDGET), weigh(QUALITY, equal, BUDGET)
    assert shown.log_e_better is not None and kept.log_e_better is not None
    assert shown.log_e_better > math.log(20) > kept.log_e_better
    assert kept.log_e_safe is not None and kept.log_e_safe > kept.log_e_better
    early = weigh(QUALITY, better[:3], BUDGET)
    assert early.log_e_better is not None and early.log_e_better <= 0.0
    assert weigh(QUALITY, [], BUDGET).log_e_better is None


def test_the_interval_agrees_with_the_e_values() -> None:
    """The upper end is below the margin exactly when safety passes."""
    for mean in (-0.01, 0.0, 0.004, 0.008, 0.012, 0.02):
        seen = weigh(QUALITY, _noisy(45, mean), BUDGET)
        assert seen.upper is not None and seen.log_e_safe is not None
        assert (seen.upper <= QUALITY.margin) == (seen.log_e_safe >= math.log(20))


def test_rows_do_not_make_days() -> None:
    """A thousand times the rows a day are not more evidence: days are the clusters."""
    few = [_quality(day, 0.01 * (day % 3), n=900) for day in range(9)]
    many = [_quality(day, 0.01 * (day % 3), n=900_000) for day in range(9)]
    assert weigh(QUALITY, few, BUDGET).log_e_safe == weigh(QUALITY, many, BUDGET).log_e_safe


def test_two_steps_of_one_day_are_one_day() -> None:
    """A change of step at noon does not make two clusters of one day."""
    split = [_quality(0, 0.1, n=300), _quality(0, 0.0, n=600, step="canary"), _quality(1, 0.0)]
    seen = weigh(QUALITY, split, BUDGET)
    assert seen.clusters == 2
    assert seen.effect == pytest.approx((0.1 / 3 + 0.0) / 2)


def test_a_looser_stage_margin_is_recorded_and_easier() -> None:
    """margin_factor widens the margin told in the evidence, and leaves rollback_at alone."""
    windows = _noisy(12, 0.0)
    tight, loose = weigh(QUALITY, windows, BUDGET), weigh(QUALITY, windows, BUDGET, margin_factor=2)
    assert loose.margin == pytest.approx(0.04)
    assert loose.log_e_safe is not None and tight.log_e_safe is not None
    assert loose.log_e_safe > tight.log_e_safe
    assert loose.log_e_harm == tight.log_e_harm


def test_a_failing_candidate_is_harmful_after_its_first_window() -> None:
    """Every request failed, on one day at five per cent of traffic."""
    seen = weigh(ERRORS, [_errors(0, 2, 900, 45, 45)], BUDGET)
    assert seen.log_e_harm is not None and seen.log_e_harm > math.log(1000)
    assert seen.effect == pytest.approx(1 - 2 / 900)


def test_no_errors_anywhere_becomes_safe() -> None:
    """Zero events in both arms is provable within the margin, with an interval of some width."""
    seen = weigh(ERRORS, [_errors(day, 0, 900, 0, 45) for day in range(14)], BUDGET)
    assert seen.log_e_safe is not None and seen.log_e_safe >= math.log(20)
    assert seen.upper is not None and 0.0 < seen.upper < ERRORS.margin


def test_failures_that_only_the_mirror_showed_are_harm_from_the_first_day() -> None:
    """No user met the candidate yet, and one answer in twenty-five is none."""
    seen = weigh(ERRORS, [_errors(0, 0, 900, 36, 900, step="shadow")], BUDGET, later_steps=5)
    assert seen.log_e_harm is not None and seen.log_e_harm > math.log(1000)


def test_answers_that_nobody_waited_for_do_not_speak_for_safety() -> None:
    """Two weeks of faultless mirrored answers, then users: only what they got can show safety."""
    mirrored = [_errors(day, 0, 900, 0, 900, step="shadow") for day in range(14)]
    met = [_errors(day, 0, 900, 0, 45) for day in range(14, 16)]
    in_shadow = weigh(ERRORS, mirrored, BUDGET)
    assert in_shadow.log_e_safe is not None and in_shadow.log_e_safe > math.log(20)
    unmet = weigh(ERRORS, mirrored, BUDGET, live=True)
    assert (unmet.status, unmet.n, unmet.log_e_safe) == ("scarce", 0, 0.0)
    assert unmet.log_e_harm == pytest.approx(in_shadow.log_e_harm)
    first = weigh(ERRORS, mirrored + met, BUDGET, live=True)
    alone = weigh(ERRORS, met, BUDGET)
    assert (first.n, first.log_e_safe) == (alone.n, alone.log_e_safe)


def test_what_fails_first_when_users_meet_it_is_seen_behind_faultless_mirrors() -> None:
    """The share of the step that began counts its windows alone."""
    mirrored = [_errors(day, 0, 900, 0, 900, step="shadow") for day in range(14)]
    met = [_errors(14, 0, 900, 10, 45)]
    seen = weigh(ERRORS, mirrored + met, BUDGET, later_steps=5, live=True)
    alone = weigh(ERRORS, met, BUDGET)
    assert seen.log_e_harm is not None and alone.log_e_harm is not None
    assert seen.log_e_harm == pytest.approx(alone.log_e_harm + math.log(0.1), abs=0.01)


def test_steps_of_a_ramp_are_never_pooled() -> None:
    """Rates that drift with the ramp do not look like harm (Simpson's paradox)."""
    quiet = [_errors(day, 9, 900, 0, 9) for day in range(8)]
    busy = [_errors(day, 45, 450, 45, 450, step="ramp") for day in range(8, 16)]
    seen = weigh(ERRORS, quiet + busy, BUDGET)
    pooled = 45 * 8 / (459 * 8) - (9 + 45) * 8 / (1350 * 8)
    assert pooled > 0.05
    assert seen.effect is not None and seen.effect <= 0.0
    assert seen.log_e_harm is not None and seen.log_e_harm < 0


def test_days_decide_once_events_are_many() -> None:
    """From the day after both arms have had many events, differences of days are weighed."""
    few = [_errors(day, 20, 900, MANY_EVENTS - 1 if day == 0 else 0, 450) for day in range(3)]
    many = [_errors(day, 20, 900, MANY_EVENTS, 450) for day in range(3)]
    assert "day differences" not in weigh(ERRORS, few, BUDGET).method
    assert "day differences" in weigh(ERRORS, many, BUDGET).method


def test_the_evidence_carries_all_that_recomputes_it() -> None:
    """Weighing the windows kept in the evidence gives the same evidence again."""
    for guardrail, windows in (
        (QUALITY, _noisy(9, 0.0)),
        (ERRORS, [_errors(day, 5, 900, 1, 90) for day in range(9)]),
    ):
        seen = weigh(guardrail, windows, BUDGET)
        again = Evidence.model_validate_json(seen.model_dump_json())
        assert weigh(guardrail, again.windows, BUDGET) == seen
        assert STATISTICS_VERSION in seen.method


@settings(max_examples=settings.default.max_examples // 2, deadline=None)
@given(st.data())
def test_order_does_not_matter(data: st.DataObject) -> None:
    """Rows within a window and windows among each other may come in any order."""
    rows = [[0.01 * ((7 * day + 3 * i) % 11) for i in range(6)] for day in range(8)]
    shuffled = [data.draw(st.permutations(day)) for day in rows]
    windows = [_with(day, values) for day, values in enumerate(rows)]
    mixed = data.draw(st.permutations([_with(d, values) for d, values in enumerate(shuffled)]))
    first, second = weigh(QUALITY, windows, BUDGET), weigh(QUALITY, mixed, BUDGET)
    assert first.log_e_harm == pytest.approx(second.log_e_harm, abs=1e-6)
    assert first.log_e_safe == pytest.approx(second.log_e_safe, abs=1e-6)


def _with(day: int, values: list[float]) -> WindowPair:
    start = MIDNIGHT + timedelta(days=day)
    return WindowPair(start=start, step="shadow", paired=moments_of(values))


@settings(max_examples=settings.default.max_examples // 3, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.data())
def test_windows_of_one_day_may_come_in_parts(events: list[int], data: st.DataObject) -> None:
    """Two halves of a day's counts are the day's counts."""
    whole = [_errors(day, 4, 80, x, 20) for day, x in enumerate(events)]
    parts = [half for day, x in enumerate(events)
             for half in (_errors(day, 1, 30, x, 12), _errors(day, 3, 50, 0, 8))]  # fmt: skip
    mixed = data.draw(st.permutations(parts))
    assert weigh(ERRORS, mixed, BUDGET) == weigh(ERRORS, whole, BUDGET)
