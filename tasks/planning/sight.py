"""What each step can see of each guardrail: the harm it finds, and the margin it can show.

Reckoned on one release whose data are as bad as one in five would be, and weighed by the
e-processes of a release; no randomness. What a release keeps for harm that begins with a later
step is taken to find nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from policies.schema import Guardrail, ReleasePolicy, StageRules
from policies.vocabulary import Step, WindowPair
from tasks.evidence.gap import as_declared
from tasks.evidence.onset import WHOLE_SHARE
from tasks.evidence.sequential import weigh
from tasks.planning.assumed import Assumed
from tasks.planning.expected import Subject, Track, expected
from tasks.planning.paired import is_reported
from tasks.planning.weighing import GAPS, GROUP

ONE_IN_FIVE = 0.8416  # standard errors of bad luck
FURTHEST = 64.0  # margins: beyond it nothing is sought
HALVINGS = 10


@dataclass(frozen=True)
class Sight:
    """One guardrail at one step, in the metric's unit; ``None``: not seen there, or not at all.

    ``asks``: ``None`` also where nobody waits for a gap.
    ``finds``: harm that four in five releases are rolled back for by the step's usual end.
    ``shows``: margin that four in five sound releases are within at its deadline.
    """

    guardrail: str
    step: str
    asks: float | None
    shows: float | None
    finds: float | None


def sights(policy: ReleasePolicy, assumed: Assumed, usual_days: Mapping[str, float]) -> list[Sight]:
    """``usual_days``: how long a sound release stands at each step; else its least time."""
    found, track = [], Track()
    for step in policy.steps()[1:]:
        rules = policy.rules_for(step)
        if not isinstance(rules, StageRules):
            continue
        usual = track.longer(step, max(usual_days.get(step.name, 0.0), rules.min_days))
        latest = track.longer(step, max(rules.deadline_days, rules.min_days))
        for rail in policy.guardrails:
            if rail.is_due_at(step):
                for what, subject in _parts(Subject(policy, assumed, rail.whole()), rail):
                    factor = 1.0 if what else rules.margin_factor  # as of a release
                    asked = _Asked(subject, step)
                    found.append(_sight(asked, rail.name + what, factor, usual, latest))
        track = usual
    return found


def _parts(whole: Subject, rail: Guardrail) -> Iterator[tuple[str, Subject]]:
    """All rows, and one for all groups and for all gaps: they are alike. Best one waited for."""
    yield "", whole
    for part in list(rail.by_segment().values())[:1]:
        yield GROUP, replace(whole, assumed=whole.assumed.of_group(rail), rail=part)
    gaps = sorted(rail.by_gap().values(), key=is_reported)
    for part in gaps[:1]:
        yield GAPS, replace(whole, assumed=whole.assumed.of_gap(rail), rail=part, others=len(gaps))


@dataclass(frozen=True)
class _Asked:
    of: Subject
    step: Step

    def finds(self, track: Track, effect: float) -> bool:
        budget = self.of.policy.budget
        windows = expected(self.of, track, effect, -ONE_IN_FIVE)
        told = weigh(self.of.rail, windows, budget, only="harm")
        harm = math.log(self.of.rail.weight * WHOLE_SHARE) + (told.log_e_harm or 0.0)
        return harm >= -math.log(budget.rollback_alpha)

    def shows(self, windows: list[WindowPair], margin: float) -> bool:
        budget, live = self.of.policy.budget, self.step.weight_bp > 0
        wider = max(1.0, margin / self.of.rail.margin)
        asked = self.of.rail
        if margin < asked.margin:
            asked = asked.model_copy(update={"margin": margin, "rollback_at": 0.0})
        told = weigh(asked, windows, budget, margin_factor=wider, live=live, only="safe")
        told = as_declared(self.of.rail, told)
        return told.status == "ok" and (told.log_e_safe or 0.0) >= -math.log(budget.promote_beta)

    def sound(self, track: Track) -> list[WindowPair]:
        return expected(self.of, track, 0.0, ONE_IN_FIVE, live=self.step.weight_bp > 0)


def _sight(asked: _Asked, name: str, factor: float, usual: Track, latest: Track) -> Sight:
    rail, sound = asked.of.rail, asked.sound(latest)
    return Sight(
        guardrail=name,
        step=asked.step.name,
        asks=None if is_reported(rail) else rail.margin * factor,
        shows=_least(lambda margin: asked.shows(sound, margin), 0.002 * rail.margin, rail),
        finds=_least(lambda effect: asked.finds(usual, effect), rail.rollback_at, rail),
    )


def _least(question: Callable[[float], bool], low: float, rail: Guardrail) -> float | None:
    """The least value that is answered with yes, to two digits."""
    high = FURTHEST * rail.margin
    if not question(high):
        return None
    for _ in range(HALVINGS):
        middle = math.sqrt(max(low, 1e-3 * rail.margin) * high)
        low, high = (low, middle) if question(middle) else (middle, high)
    return high
