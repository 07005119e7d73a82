"""Proper scores on the same labelled rows."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import EvidenceError
from policies.schema import Scores
from tasks.evaluation.scores import (
    CLIP,
    LabelledScore,
    brier,
    calibration_error,
    labelled_scores,
    log_loss,
    probability_check,
    score_checks,
)
from tasks.telemetry.metrics import loss

RULES = Scores(
    log_loss_margin=0.01,
    brier_margin=0.005,
    calibration_margin=0.02,
    slice_log_loss_margin=0.03,
    slices=("origin",),
    min_rows_per_slice=50,
)
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=50)


def rows(n: int, origin: str = "LGA", worse: float = 0.0) -> list[LabelledScore]:
    return [
        LabelledScore(
            champion=0.3, candidate=0.3 + worse, label=float(i % 10 < 3), slices={"origin": origin}
        )
        for i in range(n)
    ]


def test_no_rows_are_scarce_everywhere() -> None:
    """Nothing labelled means nothing shown: every check holds."""
    found = score_checks(RULES, [])
    assert [item.status for item in found] == ["scarce"] * 3
    assert all(item.effect is None for item in found)


def test_fewer_rows_than_asked_are_scarce() -> None:
    """The policy's least number of labelled rows is kept."""
    assert {item.status for item in score_checks(RULES, rows(99), min_rows=100)} == {"scarce"}


@pytest.mark.parametrize(
    ("champion", "candidate", "label"),
    [
        (math.nan, 0.5, 1),
        (0.5, math.nan, 1),
        (0.5, 1.01, 1),
        (-0.01, 0.5, 1),
        (0.5, math.inf, 0),
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 2),
        (0.5, 0.5, math.nan),
    ],
)
def test_nonsense_is_an_error(champion: float, candidate: float, label: float) -> None:
    """What is no probability and no outcome is malformed evidence, never a score."""
    with pytest.raises(EvidenceError):
        score_checks(RULES, [*rows(100), LabelledScore(champion, candidate, label)])


def test_equal_models_have_no_effect() -> None:
    """A candidate that answers like the champion is not worse at all."""
    assert [item.effect for item in score_checks(RULES, rows(100))] == [0.0] * 3


def test_effects_are_candidate_minus_champion() -> None:
    """Greater is worse, by the textbook formulas."""
    by_name = {item.name: item for item in score_checks(RULES, rows(100, worse=0.4))}
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    cross = -(0.3 * math.log(0.7) + 0.7 * math.log(0.3))
    assert by_name["log loss"].effect == pytest.approx(cross - entropy)
    assert by_name["Brier score"].effect == pytest.approx(0.4**2)
    assert by_name["calibration error"].effect == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("days", "status"),
    [
        ((0.2, 0.2, 0.2, 0.2), "ok"),  # alike, so a loss is one
        ((0.6, 0.0, 0.0, 0.0), "scarce"),  # one bad day is not yet a bad model
        ((0.0, 0.0, 0.0, 0.0), "ok"),  # within the margin
        ((0.6, 0.0), "ok"),  # too few days to know how much they differ: the margin rules
    ],
)
def test_a_loss_beyond_the_margin_is_refused_when_it_is_shown(
    days: tuple[float, ...], status: str
) -> None:
    """Two standard errors between days; else it holds, and says that it is beyond."""
    sample = [
        replace(row, day=str(day))
        for day, worse in enumerate(days)
        for row in rows(100, worse=worse)
    ]
    found = score_checks(RULES, sample)[0]
    assert (found.name, found.status) == ("log loss", status)
    assert ("not shown to be" in found.detail) is (status == "scarce")
    assert ((found.effect or 0.0) > RULES.log_loss_margin) is any(days)


def test_pairing_leaves_out_what_cannot_be_compared() -> None:
    """No label, or no answer of one model: the row counts for neither."""
    inputs = [{"origin": "LGA"}, {"origin": None}, {}, {"origin": "JFK"}]
    paired = labelled_scores(
        RULES,
        inputs,
        [1, 0, None, 1],
        [0.1, 0.2, 0.3, 0.4],
        [0.5, 0.6, 0.7, None],
        ["mon", "tue", "wed", "thu"],
    )
    assert [(row.champion, row.candidate) for row in paired] == [(0.1, 0.5), (0.2, 0.6)]
    assert [row.slices["origin"] for row in paired] == ["LGA", "(none)"]
    assert [row.day for row in paired] == ["mon", "tue"]


def test_pairing_refuses_lists_of_different_length() -> None:
    """Scores that belong to other rows are never compared."""
    with pytest.raises(EvidenceError):
        labelled_scores(RULES, [{}], [1], [0.1], [0.5, 0.6], ["mon"])


def test_a_certain_and_wrong_answer_costs_a_bounded_loss() -> None:
    """One wrong certainty cannot make the mean infinite."""
    assert log_loss([(0.0, 1.0)]) == log_loss([(1.0, 0.0)]) == pytest.approx(-math.log(CLIP))


@given(PAIRS)
def test_measures_lie_in_their_ranges(pairs: list[tuple[float, float]]) -> None:
    """Brier and ECE lie in [0, 1]; log loss is never negative."""
    assert 0.0 <= brier(pairs) <= 1.0
    assert 0.0 <= calibration_error(pairs) <= 1.0
    assert log_loss(pairs) >= 0.0


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    pairs: list[tuple[float, float]], rng: random.Random
) -> None:
    """The same rows in another order give the same scores."""
    mixed = list(pairs)
    rng.shuffle(mixed)
    for measure in (log_loss, brier, calibration_error):
        assert measure(mixed) == pytest.approx(measure(pairs), abs=1e-12)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_log_loss_is_proper(truth: float, claimed: float) -> None:
    """Over many rows nobody scores better than by stating the true probability."""

    def expected(score: float) -> float:
        return truth * log_loss([(score, 1.0)]) + (1 - truth) * log_loss([(score, 0.0)])

    assert expected(truth) <= expected(claimed) + 1e-12


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("score", [0.0, 1e-9, 0.3, 0.999, 1.0])
def test_staging_and_live_windows_mean_the_same(score: float, label: float) -> None:
    """A margin is one number: both places reckon the same loss for the same answer."""
    assert log_loss([(score, label)]) == pytest.approx(loss("log_loss", score, label), rel=0.01)
    assert brier([(score, label)]) == pytest.approx(loss("brier", score, label))


@pytest.mark.parametrize(
    ("scores", "status", "effect"),
    [
        ([], "scarce", None),
        ([None, None], "scarce", None),
        ([0.0, 1.0, None, 1.0], "ok", 1.0),
        ([0.0, 1.0, 0.5], "ok", 0.0),
    ],
)
def test_classes_are_no_probabilities(
    scores: list[float | None], status: str, effect: float | None
) -> None:
    """Nothing but 0 and 1 is refused with what to do about it; no answer at all is no pass."""
    found = probability_check(scores)
    assert (found.status, found.effect, found.limit) == (status, effect, 0.0)
    assert ("predict_proba" in found.detail) == (effect == 1.0)
