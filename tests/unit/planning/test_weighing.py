"""What a simulated look leaves out changes no e-value."""

from __future__ import annotations

import numpy as np
import pytest

from policies.schema import Guardrail
from tasks.evidence.sequential import weigh
from tasks.planning.assumed import assume
from tasks.planning.voyage import stream
from tasks.planning.weighing import weigh_harm, weigh_safe
from tests.unit.planning.planned_policy import ERRORS, QUALITY, planned_policy

BY_REQUEST = ERRORS.model_copy(update={"unit": "request", "relative": True})


@pytest.mark.parametrize(
    ("rail", "days"), [(QUALITY, 30.0), (QUALITY, 4.0), (ERRORS, 9.0), (BY_REQUEST, 9.0)]
)
def test_e_values_are_those_of_a_release(rail: Guardrail, days: float) -> None:
    """Beside ``weigh`` itself, with live steps after a shadow: harm, safety and status."""
    policy = planned_policy(rail)
    assumed = assume(policy, 200.0, {"": 0.05} if rail.metric == "error" else {}, 0.03)
    found = stream(policy, rail, assumed, 0.7, np.random.default_rng(5))
    for place, step in enumerate(policy.steps()[1:3]):
        found.pass_time(place * days * 12.0, (place + 1) * days * 12.0, step)
    found.see(days * 24.0)
    found.tell()
    windows, budget = found.parts[0].windows, policy.budget
    whole = weigh(rail, windows, budget, margin_factor=1.5, later_steps=3, live=True)
    harm = weigh_harm(rail, windows, budget, 3)
    safe = weigh_safe(rail, windows, budget, margin_factor=1.5, live=True)
    assert harm.log_e_harm == whole.log_e_harm
    assert (safe.log_e_safe, safe.margin) == (whole.log_e_safe, whole.margin)
    assert safe.status == whole.status
