"""A business metric is compared within one day and step, by units, and never pooled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.schema import Budget, Guardrail
from policies.vocabulary import Counts, Moments, WindowPair
from tasks.evidence.running import Running
from tasks.evidence.sequential import weigh

BUDGET = Budget(rollback_alpha=0.05, promote_beta=0.05, min_clusters=7)
REVENUE = Guardrail(
    name="revenue", kind="mean", metric="business", name_of_metric="revenue", direction="up",
    cap=100.0, without_value="zero", margin=0.5, rollback_at=0.2, weight=0.5, information=100.0,
    why="test",
)  # fmt: skip
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)


def window(
    day: int, champion: tuple[int, float], candidate: tuple[int, float], step: str = "canary 5 %"
) -> WindowPair:
    arms = [Moments(n=n, mean=mean) for n, mean in (champion, candidate)]
    return WindowPair(
        start=MIDNIGHT + timedelta(days=day), step=step, champion_units=arms[0],
        candidate_units=arms[1],
    )  # fmt: skip


def test_nothing_posted_is_not_enough_evidence() -> None:
    """Neither without windows, nor when one arm has nobody."""
    assert weigh(REVENUE, (), BUDGET).status == "scarce"
    alone = [window(day, (0, 0.0), (900, 5.0), "full") for day in range(20)]
    found = weigh(REVENUE, alone, BUDGET)
    assert (found.status, found.log_e_safe, found.log_e_harm) == ("scarce", 0.0, 0.0)


@pytest.mark.parametrize(("direction", "effect"), [("up", -1.0), ("down", 1.0)])
def test_greater_is_worse_in_either_direction(direction: str, effect: float) -> None:
    rail = REVENUE.model_copy(update={"direction": direction})
    found = weigh(rail, [window(0, (10, 4.0), (10, 5.0))], BUDGET)
    assert (found.effect, found.n, found.clusters) == (effect, 10, 1)


def test_arms_are_never_pooled_over_steps() -> None:
    """Heavier customers came on the day of the larger share: pooled, the worse arm looks better."""
    windows = [
        window(0, (95, 10.0), (5, 9.0)),
        window(1, (50, 40.0), (50, 39.0), "ramp 50 %"),
        window(1, (75, 20.0), (25, 19.0), "ramp 25 %"),
    ]
    pooled = (5 * 9 + 50 * 39 + 25 * 19) / 80 - (95 * 10 + 50 * 40 + 75 * 20) / 220
    assert pooled > 0
    assert weigh(REVENUE, windows, BUDGET).effect == pytest.approx(1.0)


def test_harm_and_safety_are_found() -> None:
    """Twenty quiet days: a loss beyond rollback_at is shown, and so is none within the margin."""
    worse = [window(d, (900, 10.0 + d), (900, 8.0 + d + d % 3 / 10)) for d in range(20)]
    same = [window(d, (900, 10.0 + d), (900, 10.0 + d + d % 3 / 10)) for d in range(20)]
    harmed, safe = weigh(REVENUE, worse, BUDGET), weigh(REVENUE, same, BUDGET)
    assert harmed.log_e_harm is not None and safe.log_e_safe is not None
    assert harmed.log_e_harm > 3 and (safe.log_e_harm or 0) < 0
    assert safe.log_e_safe > 3 and (harmed.log_e_safe or 0) < 0
    assert (safe.status, safe.clusters, safe.unit) == ("ok", 20, "days")
    assert "unit means by day and step" in safe.method


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 50), st.integers(0, 50), st.floats(-9, 9)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_weights_come_from_counts_alone(rows: list[tuple[int, int, int, float]]) -> None:
    """A change of every mean by the same amount moves no weight and no difference."""
    windows = [window(d, (na, m), (nb, m / 2), f"s{i}") for i, (d, na, nb, m) in enumerate(rows)]
    moved = [window(d, (na, m + 7), (nb, m / 2 + 7), f"s{i}")
             for i, (d, na, nb, m) in enumerate(rows)]  # fmt: skip
    one, other = (Running.of(REVENUE, each).folds[0] for each in (windows, moved))
    assert (one.rows, one.sums.weight, one.sums.n) == (other.rows, other.sums.weight, other.sums.n)
    assert other.sums.first + other.sums.mean == pytest.approx(
        one.sums.first + one.sums.mean, abs=1e-9
    )


def test_windows_of_another_kind_are_refused() -> None:
    counts = Counts(n=1, events=0)
    wrong = WindowPair(start=MIDNIGHT, step="c", champion=counts, candidate=counts)
    with pytest.raises(EvidenceError, match="lacks the units"):
        weigh(REVENUE, [wrong], BUDGET)


def test_windows_of_one_day_and_step_are_added() -> None:
    parts = [window(0, (10, 1.0), (10, 0.0)), window(0, (30, 1.0), (30, 0.0))]
    found = weigh(REVENUE, parts, BUDGET)
    assert (len(found.windows), found.n, found.effect) == (1, 40, 1.0)
