"""Proper scores of both models on the same labelled rows.

Log loss and Brier score reward honest probabilities; the expected calibration error (ECE) says
how far a stated probability lies from what then happens. Every effect is candidate minus
champion: greater is worse.

A sample is a few days, and days differ. A loss beyond its margin is refused when that is shown
(two standard errors between days); until then it holds, and the next sample decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.errors import EvidenceError
from policies.schema import Scores
from policies.vocabulary import Evidence

# A certain and wrong answer costs -log(CLIP), about 34.5, instead of infinity. The live windows
# clip at the same place: a margin means the same in staging and on traffic.
CLIP = 1e-15
BINS = 10
FEWEST_DAYS = 3  # with fewer, nothing is known of how much days differ
SURE = 2.0  # standard errors
NO_VALUE = "(none)"
HARD_CLASSES = (
    "Every answer is 0 or 1: these are classes, not probabilities. Log a scikit-learn model with "
    'pyfunc_predict_fn="predict_proba"; another one so that predict returns the probability.'
)


@dataclass(frozen=True, slots=True)
class LabelledScore:
    """One row that both models scored and whose outcome (0 or 1) is known."""

    champion: float
    candidate: float
    label: float
    slices: Mapping[str, str] = field(default_factory=dict)  # declared column -> its value
    day: str = ""  # rows of one day are not independent


Rows = Sequence[LabelledScore]
Measure = Callable[[Iterable[tuple[float, float]]], float]  # over pairs (score, label)


def labelled_scores(
    rules: Scores,
    inputs: Sequence[Mapping[str, Any]],
    labels: Sequence[float | None],
    champion: Sequence[float | None],
    candidate: Sequence[float | None],
    days: Sequence[str],
    groups_by: Sequence[str] = (),
) -> tuple[LabelledScore, ...]:
    """Pair what both models answered to the same rows with what happened.

    ``groups_by``: columns to keep beside the rules' slices. Rows without a label or without an
    answer of both are left out; that the candidate answers every row is a check of its own
    (``serving.error_check``).
    """
    if not len(inputs) == len(labels) == len(champion) == len(candidate) == len(days):
        raise EvidenceError(
            "Rows, labels and scores differ in number.",
            advice="Ask both models for the same sample and try again.",
        )
    return tuple(
        LabelledScore(old, new, label, _slices([*rules.slices, *groups_by], row), day)
        for row, label, old, new, day in zip(inputs, labels, champion, candidate, days, strict=True)
        if label is not None and old is not None and new is not None
    )


def score_checks(rules: Scores, rows: Rows, *, min_rows: int = 1) -> list[Evidence]:
    """Log loss, Brier score and calibration over all rows. Fewer than ``min_rows``: scarce."""
    for row in rows:
        _refuse_nonsense(row)
    if len(rows) < max(1, min_rows):
        detail = f"{len(rows)} labelled rows of {min_rows} needed."
        return [scarce(name, limit, len(rows), detail) for name, _, limit in _asked(rules)]
    losses, calibration = _asked(rules)[:2], _asked(rules)[2]
    return [*(_loss_check(*each, rows) for each in losses), _check(*calibration, rows)]


def _asked(rules: Scores) -> list[tuple[str, Measure, float]]:
    return [
        ("log loss", log_loss, rules.log_loss_margin),
        ("Brier score", brier, rules.brier_margin),
        ("calibration error", calibration_error, rules.calibration_margin),
    ]


def probability_check(scores: Sequence[float | None]) -> Evidence:
    """A model that says only 0 and 1 names classes; nobody can hold a class to its word.

    Its log loss would be refused as well, without telling the cause.
    """
    answered = [score for score in scores if score is not None]
    if not answered:
        return scarce("probabilities", 0.0, 0, "No row was answered.")
    classes = all(score in (0.0, 1.0) for score in answered)
    return Evidence(
        name="probabilities",
        kind="check",
        effect=float(classes),
        limit=0.0,
        n=len(answered),
        method="some answer lies between 0 and 1",
        detail=HARD_CLASSES if classes else "",
    )


def log_loss(pairs: Iterable[tuple[float, float]]) -> float:
    """Mean of -log of the probability given to what happened, clipped at ``CLIP``."""
    return _mean(-math.log(max(CLIP, score if label else 1 - score)) for score, label in pairs)


def brier(pairs: Iterable[tuple[float, float]]) -> float:
    return _mean((score - label) ** 2 for score, label in pairs)


def calibration_error(pairs: Iterable[tuple[float, float]]) -> float:
    """ECE over ten fixed bins of equal width; the last one includes 1.

    Fixed bins do not depend on the order of rows with equal scores, and both models are
    asked about the same stated probabilities.
    """
    bins: list[list[float]] = [[] for _ in range(BINS)]
    for score, label in pairs:
        bins[min(BINS - 1, int(score * BINS))].append(label - score)
    total = sum(len(gaps) for gaps in bins)
    return sum(abs(math.fsum(gaps)) for gaps in bins) / total


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)


def _slices(columns: Sequence[str], row: Mapping[str, Any]) -> dict[str, str]:
    return {column: _text(row.get(column)) for column in columns}


def _text(value: object) -> str:
    """As telemetry tells it, so that a group has one name in staging and on traffic."""
    if value is None:
        return NO_VALUE
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_nonsense(row: LabelledScore) -> None:
    for whose, score in (("champion", row.champion), ("candidate", row.candidate)):
        if not 0.0 <= score <= 1.0:  # NaN compares false
            raise EvidenceError(
                f"A score of the {whose} is {score}, which is no probability.",
                advice="Check what the model returns: the last column must be P(positive).",
            )
    if row.label not in (0, 1):
        raise EvidenceError(
            f"A label is {row.label}; only 0 and 1 are outcomes.",
            advice="Check the outcomes that are posted for this model.",
        )


def both(measure: Measure, rows: Rows) -> tuple[float, float]:
    """The champion's and the candidate's score."""
    return (
        measure((row.champion, row.label) for row in rows),
        measure((row.candidate, row.label) for row in rows),
    )


def _check(name: str, measure: Measure, limit: float, rows: Rows) -> Evidence:
    old, new = both(measure, rows)
    return Evidence(
        name=name,
        kind="check",
        effect=new - old,
        limit=limit,
        n=len(rows),
        method="candidate minus champion on the same labelled rows",
        detail=f"Candidate {new:.4f}, champion {old:.4f}.",
    )


def _loss_check(name: str, measure: Measure, limit: float, rows: Rows) -> Evidence:
    """A mean over rows, so how much it differs between days is known (if there are enough)."""
    found = _check(name, measure, limit, rows)
    effect, error = found.effect or 0.0, error_by_day(measure, rows)
    if error is None:
        return found
    if is_shown(effect, error, limit) or effect <= limit:
        return found.model_copy(
            update={"detail": f"{found.detail} Error between days {error:.4f}."}
        )
    detail = f"Beyond the margin, but not shown to be: {effect:+.4f} ± {error:.4f}. {found.detail}"
    return found.model_copy(update={"status": "scarce", "detail": detail})


def is_shown(effect: float, error: float | None, limit: float) -> bool:
    return error is not None and effect - SURE * error > limit


def error_by_day(measure: Measure, rows: Rows) -> float | None:
    """Standard error of the mean loss difference over rows whose days differ (Liang and Zeger
    1986); ``None`` for fewer than three days."""
    days: dict[str, list[LabelledScore]] = {}
    for row in rows:
        days.setdefault(row.day, []).append(row)
    if len(days) < FEWEST_DAYS:
        return None
    effect = worse_by(measure, rows)
    off = [len(day) * (worse_by(measure, day) - effect) for day in days.values()]
    small = len(days) / (len(days) - 1)
    return math.sqrt(small * math.fsum(gap * gap for gap in off)) / len(rows)


def worse_by(measure: Measure, rows: Rows) -> float:
    old, new = both(measure, rows)
    return new - old


def scarce(name: str, limit: float, n: int, detail: str) -> Evidence:
    return Evidence(name=name, kind="check", status="scarce", limit=limit, n=n, detail=detail)
