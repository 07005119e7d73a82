"""What a step is said to see is what drawn releases show there: about four in five of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from policies.schema import Guardrail, ReleasePolicy
from tasks.evidence.onset import WHOLE_SHARE
from tasks.evidence.sequential import weigh
from tasks.planning.assumed import HOURS, Given, assume
from tasks.planning.sight import Sight, sights
from tasks.planning.streams import Part
from tasks.planning.voyage import stream
from tests.unit.planning.planned_policy import (
    COST,
    ERRORS,
    GAP_OF_TWO,
    QUALITY,
    SILENCE,
    planned_policy,
)

RUNS = 100
USUAL = {"shadow": 14.0, "canary 5 %": 10.0, "full": 1.0, "soak": 4.0}
OF_GAP = " · gap of each group"


def known(name: str) -> Given:
    rates = {"": 0.02} | ({"silence": 0.6} if name == "silence" else {})
    return Given(400.0, rates, {}, {"cost": 0.8} if name == "cost" else {})


def drawn(policy: ReleasePolicy, given: Given, sight: Sight, *, sound: bool, seed: int) -> Part:
    """After the usual days of the steps before: those of this one, or until its deadline."""
    rail, of_gap = policy.guardrails[0], sight.guardrail.endswith(OF_GAP)
    worse = 0.0 if sound else sight.finds or 0.0
    rng = np.random.default_rng([seed, sound])
    harm = 0.0 if of_gap else worse / rail.margin
    found, now = stream(policy, rail, assume(policy, given), harm, rng), 0.0
    for step in policy.steps()[1:]:
        last = step.name == sight.step
        days = policy.rules_for(step).deadline_days if sound and last else USUAL[step.name]
        found.pass_time(now, now + days * HOURS, step)
        now += days * HOURS
        if last:
            break
    found.see(now)
    found.tell()
    part = found.parts[1] if of_gap else found.parts[0]
    if of_gap:  # no harm opens a gap
        part.windows[:] = [
            w.model_copy(update={"paired": w.paired.model_copy(
                update={"mean": w.paired.mean + worse})})
            for w in part.windows if w.paired
        ]  # fmt: skip
    return part


def is_found(part: Part, policy: ReleasePolicy) -> bool:
    told = weigh(part.rail, part.windows, policy.budget, only="harm")
    harm = math.log(part.rail.weight * WHOLE_SHARE) + (told.log_e_harm or 0.0)
    return harm >= -math.log(policy.budget.rollback_alpha)


def is_shown(part: Part, policy: ReleasePolicy, margin: float, *, live: bool) -> bool:
    asked: Guardrail = part.rail
    factor = max(1.0, margin / asked.margin)
    if margin < asked.margin:
        asked = asked.model_copy(update={"margin": margin, "rollback_at": 0.0})
    told = weigh(asked, part.windows, policy.budget, margin_factor=factor, live=live, only="safe")
    enough = (told.log_e_safe or 0.0) >= -math.log(policy.budget.promote_beta)
    return told.status == "ok" and enough


@pytest.mark.slow
@pytest.mark.parametrize(
    "rail",
    [QUALITY, ERRORS, COST, SILENCE, GAP_OF_TWO],
    ids=["quality", "errors", "cost", "silence", "gap"],
)
def test_four_in_five_releases_see_what_is_printed(rail: Guardrail) -> None:
    """At least half of a hundred drawn releases, at every step but the shortest: a reckoning
    without chance promises no more. Rates that are the same every day would be seen by none."""
    other = ERRORS.model_copy(update={"name": "others"})
    policy = planned_policy(rail, other)
    given = known(rail.name)
    name = rail.name + (OF_GAP if rail.gap else "")
    seen = [s for s in sights(policy, assume(policy, given), USUAL) if s.guardrail == name]
    assert [s.step for s in seen][-1] == "soak"
    for sight in seen:
        assert sight.finds and sight.shows
        worse = (drawn(policy, given, sight, sound=False, seed=n) for n in range(RUNS))
        found = sum(is_found(part, policy) for part in worse) / RUNS
        sound = (drawn(policy, given, sight, sound=True, seed=n) for n in range(RUNS))
        live = sight.step != "shadow"
        shown = sum(is_shown(part, policy, sight.shows, live=live) for part in sound) / RUNS
        print(f"{name:30} {sight.step:10} finds {found:.2f} shows {shown:.2f}")
        assert min(found, shown) >= 0.5, sight
