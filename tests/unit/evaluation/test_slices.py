"""Declared groups of rows on the same labelled sample."""

from __future__ import annotations

import math
import random

import pytest

from policies.schema import Scores
from policies.vocabulary import Evidence
from tasks.evaluation.scores import LabelledScore
from tasks.evaluation.slices import slice_checks

RULES = Scores(
    log_loss_margin=0.01,
    brier_margin=0.005,
    calibration_margin=0.02,
    slice_log_loss_margin=0.03,
    slices=("origin",),
    min_rows_per_slice=50,
)


def rows(n: int, origin: str = "LGA", worse: float = 0.0, days: int = 7) -> list[LabelledScore]:
    """Every day alike: the error between days is next to nothing."""
    return [
        LabelledScore(
            champion=0.3,
            candidate=0.3 + worse,
            label=float(i // days % 10 < 3),
            slices={"origin": origin},
            day=str(i % days),
        )
        for i in range(n)
    ]


def check(sample: list[LabelledScore], **more: int) -> Evidence:
    (found,) = slice_checks(RULES, sample, **more)
    return found


def test_no_rows_are_scarce() -> None:
    """Nothing labelled means nothing shown, whatever number is asked for."""
    assert (check([]).status, check([]).effect) == ("scarce", None)
    assert check(rows(99), min_rows=100).status == "scarce"


def test_a_bad_slice_shows_though_the_whole_is_fine() -> None:
    """The worst declared slice is the effect, and every slice is named with its error."""
    found = check([*rows(910, "EWR"), *rows(140, "LGA", worse=0.4)])
    assert found.effect is not None
    assert (found.status, found.effect > RULES.slice_log_loss_margin) == ("ok", True)
    assert found.detail.startswith("Worst first: LGA +")
    assert "EWR +0.0000 ± 0.0000 (n 910)" in found.detail


def test_a_slice_whose_loss_may_be_chance_holds() -> None:
    """Beyond the margin on one bad day of seven: another sample decides, nobody is refused."""
    calm = rows(140, "LGA")
    stormy = [row for row in calm if row.day != "3"]
    stormy += [
        LabelledScore(0.3, 0.7, row.label, row.slices, "3") for row in calm * 2 if row.day == "3"
    ]
    found = check(stormy)
    assert found.effect is not None
    assert found.effect > RULES.slice_log_loss_margin
    assert found.status == "scarce"
    assert found.detail.startswith("Beyond the margin, but not shown to be: LGA.")


@pytest.mark.parametrize("days", [1, 2])
def test_few_days_show_nothing(days: int) -> None:
    """However many rows they have: how much days differ is not known."""
    assert check(rows(500, worse=0.4, days=days)).status == "scarce"


def test_a_thin_slice_is_told_and_does_not_gate() -> None:
    """Too few rows of one value cannot fail a candidate, and nobody has to guess."""
    found = check([*rows(900, "EWR"), *rows(49, "LGA", worse=0.4)])
    assert (found.status, found.effect) == ("ok", 0.0)
    assert "Not judged, fewer than 50 rows: LGA" in found.detail


def test_a_column_of_thin_slices_only_is_scarce() -> None:
    """A declared column of which nothing could be judged was not shown to be safe."""
    assert check(rows(49)).status == "scarce"


def test_the_error_is_that_of_days_and_not_of_rows() -> None:
    """Days that differ by chance: the error told is close to the spread of such samples."""
    rng = random.Random(7)

    def sample() -> Evidence:
        made = []
        for day in range(30):
            late = 0.3 + rng.gauss(0, 0.1)
            for _ in range(20):
                label = float(rng.random() < late)
                made.append(LabelledScore(0.3, 0.5, label, {"origin": "LGA"}, str(day)))
        return check(made)

    found = [sample() for _ in range(25)]
    effects = [item.effect or 0.0 for item in found]
    centre = math.fsum(effects) / len(effects)
    spread = math.sqrt(math.fsum((e - centre) ** 2 for e in effects) / (len(effects) - 1))
    errors = [float(item.detail.split("± ")[1].split(" ")[0]) for item in found]
    assert math.fsum(errors) / len(errors) == pytest.approx(spread, rel=0.4)
