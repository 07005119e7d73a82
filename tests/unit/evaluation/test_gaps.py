"""The gap of a declared group on the staging sample."""

from __future__ import annotations

from typing import Any

import pytest

from policies.schema import Gap, Guardrail, Scores
from policies.vocabulary import Evidence
from tasks.evaluation.gaps import gap_checks
from tasks.evaluation.scores import LabelledScore

RULES = Scores(
    log_loss_margin=0.01, brier_margin=0.005, calibration_margin=0.02, slice_log_loss_margin=0.03,
    min_rows_per_slice=50,
)  # fmt: skip
GAP = Gap(
    column="sex", values=("f",), min_rows=900, margin=0.1, rollback_at=0.02, share=0.5,
    information=500,
)  # fmt: skip
QUALITY = Guardrail(
    name="quality", kind="paired_mean", metric="log_loss", margin=0.02, rollback_at=0.008,
    weight=1.0, information=15_000, gap=GAP, why="test",
)  # fmt: skip


def rows(n: int, sex: str, worse: float = 0.0, days: int = 7) -> list[LabelledScore]:
    """Every day alike: the error between days is next to nothing."""
    return [
        LabelledScore(
            champion=0.3,
            candidate=0.3 + worse,
            label=float(i // days % 10 < 3),
            slices={"sex": sex},
            day=str(i % days),
        )
        for i in range(n)
    ]


def check(sample: list[LabelledScore], gap: Gap = GAP, **more: Any) -> Evidence:
    (found,) = gap_checks(RULES, [QUALITY.model_copy(update={"gap": gap})], sample, **more)
    return found


def test_no_gap_declared_is_no_check() -> None:
    assert gap_checks(RULES, [QUALITY.model_copy(update={"gap": None})], rows(9, "f")) == []


def test_no_rows_are_scarce() -> None:
    assert check([], min_rows=100).status == "scarce"
    assert check(rows(99, "m"), min_rows=100).required


def test_a_group_left_behind_is_shown() -> None:
    """The whole may gain: what counts is how the group fares beside all others."""
    found = check([*rows(910, "m", worse=-0.01), *rows(140, "f", worse=0.4)])
    assert found.effect is not None and found.effect > GAP.margin
    assert (found.status, found.limit, found.n) == ("ok", 0.1, 140)
    assert found.name == "quality gap of sex f"
    assert "Group +0." in found.detail and "(n 910)" in found.detail


def test_a_group_that_loses_as_all_do_has_no_gap() -> None:
    """That everybody loses is another check's finding."""
    found = check([*rows(910, "m", worse=0.4), *rows(140, "f", worse=0.4)])
    assert found.effect == pytest.approx(0.0) and found.status == "ok"


def test_a_gap_that_may_be_chance_holds() -> None:
    """Beyond the margin on one bad day of seven, or with days that are too few to know."""
    bad = [*rows(120, "f"), *(row for row in rows(140, "f", worse=0.6) if row.day == "6")]
    found = check([*rows(910, "m"), *bad])
    assert found.effect is not None and found.effect < 2 * GAP.margin
    tight = GAP.model_copy(update={"margin": found.effect * 0.9, "rollback_at": 0.0})
    unsure = check([*rows(910, "m"), *bad], tight)
    assert (unsure.status, unsure.required) == ("scarce", True)
    assert unsure.detail.startswith("Beyond the margin, but not shown to be.")
    assert check([*rows(900, "m", days=2), *rows(99, "f", worse=0.4, days=2)]).status == "scarce"


def test_too_few_rows_of_a_group_are_left_to_the_shadow() -> None:
    """A sample is small; that the group is few in it must not keep every release in staging."""
    found = check([*rows(910, "m"), *rows(49, "f", worse=0.4)])
    assert (found.status, found.required, found.effect) == ("scarce", False, None)
    assert "49 rows of the group" in found.detail


def test_a_group_that_is_only_reported_is_not_waited_for() -> None:
    reported = GAP.model_copy(update={"reported": ("f",)})
    assert not check([*rows(910, "m"), *rows(140, "f")], reported).required
