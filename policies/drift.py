"""Whether distributions have moved further than a policy allows: what is asked, and what follows.

| of a model between its releases | from `warn_at` on | from `act_at` on             |
|---------------------------------|-------------------|------------------------------|
| its inputs                      | told, once        | told; a look at a release    |
|                                 |                   | says: comparison invalid     |
| its own scores                  | told, once        | a suspected incident is      |
|                                 |                   | opened; nothing is moved     |

What was not measured, or on too few rows, is not observed and never well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from policies.between import Looked, found, suspected, unseen, well
from policies.schema import Distance, DriftLimits, InputDrift, PredictionDrift
from policies.vocabulary import Digest, Evidence, Value

INPUTS, PREDICTIONS = "input drift", "prediction drift"
_SHOWN = 3  # columns told of many


class Period(Value):
    since: datetime
    until: datetime  # not in it any more


class Drifted(Value):
    """How far one column has moved. ``value`` is ``None`` where it could not be measured."""

    what: str
    distance: Distance
    value: float | None = None
    rows: int
    reference_rows: int
    bins_digest: Digest
    told: str = ""  # what moved most, or why nothing was measured


def window_of(rules: DriftLimits, now: datetime) -> Period:
    return Period(since=now - timedelta(days=rules.window_days), until=now)


def recent(rules: DriftLimits, now: datetime) -> Period:
    """The days right before the window."""
    until = now - timedelta(days=rules.window_days)
    return Period(since=until - timedelta(days=rules.reference_days), until=until)


def before(rules: DriftLimits, moment: datetime) -> Period:
    """The days up to a moment, whatever has happened since."""
    return Period(since=moment - timedelta(days=rules.reference_days), until=moment)


def is_old_enough(rules: DriftLimits, serves_since: datetime, now: datetime) -> bool:
    """Whether all scores of the reference are of the version that serves now."""
    return serves_since <= recent(rules, now).since


def judge_predictions(rules: PredictionDrift, drifted: Sequence[Drifted]) -> Looked:
    judged = _judged(PREDICTIONS, rules, drifted)
    if judged.status != "found" or rules.act_at is None:
        return judged
    worst = max(item.value for item in drifted if item.value is not None)
    if worst < rules.act_at:
        return judged
    return suspected(PREDICTIONS, judged.why).model_copy(update={"figures": judged.figures})


def judge_inputs(rules: InputDrift, drifted: Sequence[Drifted]) -> Looked:
    return _judged(INPUTS, rules, drifted)


def evidence_of(rules: InputDrift, drifted: Sequence[Drifted]) -> Evidence:
    """For a look of a release: inputs that moved make no candidate harmful, but a comparison
    invalid. What was not observed is too little to say."""
    judged = judge_inputs(rules, drifted)
    worst = max((each.value or 0.0 for each in drifted if is_measured(rules, each)), default=None)
    status = "ok"
    if judged.status == "not observed":
        status = "scarce"
    elif worst is not None and rules.act_at is not None and worst >= rules.act_at:
        status = "invalid"
    return Evidence.model_validate(
        {
            "name": INPUTS,
            "kind": "check",
            "status": status,
            "effect": worst,
            "limit": rules.act_at,
            "n": min((each.rows for each in drifted), default=0),
            "unit": DISTANCES[rules.distance],
            "method": f"{rules.distance} by bins of the reference "
            + ", ".join(each.bins_digest[7:19] for each in drifted),
            "detail": judged.why,
        }
    )


def _judged(about: str, rules: DriftLimits, drifted: Sequence[Drifted]) -> Looked:
    """A column that moved is found, though another was not observed."""
    blind = [each for each in drifted if not is_measured(rules, each)]
    moved = [each for each in drifted if each not in blind and (each.value or 0) >= rules.warn_at]
    if moved:
        figures = tuple(each.plain() for each in moved)
        return found(about, told(rules, moved)).model_copy(update={"figures": figures})
    if blind or not drifted:
        return unseen(about, "; ".join(_unmeasured(rules, each) for each in blind[:_SHOWN]))
    return well(about)


def is_measured(rules: DriftLimits, each: Drifted) -> bool:
    enough = min(each.rows, each.reference_rows) >= rules.min_rows
    return enough and each.value is not None and math.isfinite(each.value)


def told(rules: DriftLimits, moved: Sequence[Drifted]) -> str:
    """The columns that moved most, first."""
    ordered = sorted(moved, key=lambda each: (-(each.value or 0), each.what))
    words = [
        f"{each.what} {each.value:.3g} ({each.told}; {each.rows} rows against "
        f"{each.reference_rows})"
        for each in ordered[:_SHOWN]
    ]
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    acts = "" if rules.act_at is None else f" and acts from {rules.act_at:g} on"
    limits = f"The policy tells it from {rules.warn_at:g} on{acts}."
    return f"{DISTANCES[rules.distance]}: {'; '.join(words)}{more}. {limits}"


def _unmeasured(rules: DriftLimits, each: Drifted) -> str:
    few = min(each.rows, each.reference_rows)
    if few < rules.min_rows:
        which = "now" if each.rows <= each.reference_rows else "in the reference"
        return f"{each.what}: {few} rows {which}, {rules.min_rows} needed"
    return f"{each.what}: {each.told or 'not measured'}"


DISTANCES: dict[Distance, str] = {
    "psi": "Population stability index",
    "jensen_shannon": "Jensen-Shannon distance",
    "kolmogorov_smirnov": "Kolmogorov-Smirnov distance",
    "wasserstein": "Wasserstein distance",
    "cramers_v": "Cramér's V",
}
