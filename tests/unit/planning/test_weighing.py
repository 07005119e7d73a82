"""What a simulated look leaves out changes no decision: each question gets the flow's answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.schema import Guardrail, Segments
from policies.verdict import harm_of_all
from policies.vocabulary import Decision, Evidence
from tasks.evidence.sequential import weigh, weigh_all
from tasks.planning.assumed import Given, assume
from tasks.planning.streams import Stream
from tasks.planning.voyage import stream
from tasks.planning.weighing import Judge, average
from tests.unit.planning.planned_policy import (
    COST,
    ERRORS,
    GAP_OF_TWO,
    QUALITY,
    SILENCE,
    planned_policy,
)

BY_REQUEST = ERRORS.model_copy(update={"unit": "request", "relative": True})
GROUPED = QUALITY.model_copy(
    update={
        "segments": Segments(column="where", values=("a", "b"), margin=0.08, rollback_at=0.03,
                             share=0.4),
        "gap": GAP_OF_TWO.gap,
    }
)  # fmt: skip
REVENUE = QUALITY.model_copy(
    update={"name": "revenue", "kind": "mean", "metric": "business", "direction": "up",
            "cap": 99.0, "without_value": "zero", "name_of_metric": "revenue"}
)  # fmt: skip
BY_USER = REVENUE.model_copy(update={"unit": "user", "information": 90_000})
BRINGS = COST.model_copy(
    update={"name": "revenue an order", "direction": "up", "relative": False, "per": "orders"}
)
RAILS = (QUALITY, ERRORS, BY_REQUEST, GROUPED, REVENUE, BY_USER, COST, BRINGS, SILENCE)
SPREAD_SEEN = 1.05  # users are seen to differ by a little less or more than they do


def seen(rail: Guardrail, days: float, harm: float = 0.7, steps: int = 2) -> Stream:
    """As much time in the shadow as at each of the steps after it."""
    policy = planned_policy(rail, *(() if rail.metric == "error" else (ERRORS,)))
    rates = {"": 0.05} | ({rail.name: 0.6} if rail.metric == "missing" else {})
    assumed = assume(policy, Given(200.0, rates, {"": 0.03}, {"": 1.0}))
    found = stream(policy, rail, assumed, harm, np.random.default_rng(5))
    for place, step in enumerate(policy.steps()[1 : 1 + steps]):
        found.pass_time(place * days * 24.0 / steps, (place + 1) * days * 24.0 / steps, step)
    found.see((days + 1.0) * 24.0)
    found.tell()
    return found


def weighed(found: Stream, **asked: object) -> list[Evidence]:
    windows = {part.rail.name: part.windows for part in found.parts}
    budget = planned_policy().budget
    return weigh_all((found.rail,), windows, budget, margin_factor=1.5, later_steps=3, live=True,
                     **asked)  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("days", [30.0, 4.0])
@pytest.mark.parametrize("rail", RAILS, ids=lambda rail: f"{rail.kind} {rail.unit}")
def test_one_question_alone_has_the_same_answer(rail: Guardrail, days: float) -> None:
    """Beside the look that asks everything: e-values, bounds and status of every part."""
    found = seen(rail, days)
    whole, harm, safe = weighed(found), weighed(found, only="harm"), weighed(found, only="safe")
    assert len(whole) == len(found.parts) == len(harm) == len(safe)
    for every, of_harm, of_safe in zip(whole, harm, safe, strict=True):
        assert (of_harm.name, of_harm.log_e_harm) == (every.name, every.log_e_harm)
        assert (of_harm.log_e_safe or 0.0) <= 0.0, "nothing passes on a question about harm"
        assert (of_safe.log_e_safe, of_safe.margin) == (every.log_e_safe, every.margin)
        assert (of_safe.status, of_safe.required) == (every.status, every.required)
        assert of_safe.log_e_harm == 0.0


def test_days_that_are_all_the_same_prove_nothing_here_either() -> None:
    """As in a release: perhaps the champion answers for both."""
    found = seen(QUALITY, 30.0)
    part = found.parts[0]
    same = [w.model_copy(update={"paired": w.paired.model_copy(update={"mean": -0.5})})
            for w in part.windows if w.paired]  # fmt: skip
    told = weigh(QUALITY, same, planned_policy().budget, only="safe")
    assert (told.status, told.log_e_safe) == ("scarce", 0.0)
    assert "the very same difference" in told.detail


@pytest.mark.parametrize("rail", RAILS, ids=lambda rail: f"{rail.kind} {rail.unit}")
@pytest.mark.parametrize("harm", [-1.0, 0.0, 3.0])
def test_no_evidence_goes_beyond_what_its_sums_allow(rail: Guardrail, harm: float) -> None:
    """Looks are left unweighed by these bounds, so nothing may stand above them."""
    found = seen(rail, 30.0, harm)
    most, safest = found.harm_at_most(3), found.safe_at_most(1.5, True)
    for part, bound in zip(weighed(found, only="harm"), most, strict=True):
        assert (part.log_e_harm or 0.0) <= bound * SPREAD_SEEN + 0.5
    if len(safest) == len(found.parts):
        for part, bound in zip(weighed(found, only="safe"), safest, strict=True):
            assert (part.log_e_safe or 0.0) <= bound * SPREAD_SEEN + 0.5


@given(st.lists(st.tuples(st.floats(0.0, 0.2), st.floats(-20.0, 40.0)), min_size=1, max_size=5))
def test_the_average_is_that_of_a_verdict(parts: list[tuple[float, float]]) -> None:
    """Weights, e-values, and what is not there, counted as one."""
    evidence = [
        Evidence(name=str(n), kind="sequential", status="ok", weight=weight, log_e_harm=log_e)
        for n, (weight, log_e) in enumerate(parts)
    ]
    told = harm_of_all(evidence)
    assert told is not None
    assert math.isclose(average([parts]), told, abs_tol=1e-9)


def test_only_what_could_change_a_look_is_weighed() -> None:
    """A month of sound days is never asked about harm; a broken one is rolled back at once."""
    policy = planned_policy(QUALITY, ERRORS)
    canary = policy.steps()[2]
    for harm, expected in ((0.0, Decision.PASS), (4.0, Decision.ROLL_BACK)):
        streams = [seen(rail, 30.0, h) for rail, h in ((QUALITY, harm), (ERRORS, 0.0))]
        judge = Judge(policy, streams, ["quality", "errors"], {})
        assert judge.look(canary, 31.0 * 24.0, (0.0, 360.0), baked=True) is expected
        asked = {key[-1] for key in judge.cache}  # type: ignore[index]
        assert asked == ({"safe"} if expected is Decision.PASS else {"harm"})
