"""One simulated look, weighed and judged as the release flow weighs and judges it.

A release is looked at a hundred times, and most looks cannot change anything: the stage has not
baked, and no difference is large. Those are settled from sums. All others go through ``weigh``'s
own e-processes and ``judge``. Intervals, which are for people to read, are left out: they take
nine tenths of the time. `tests/unit/planning/` holds this beside ``weigh_step`` look by look.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from policies.schema import Budget, Guardrail, ReleasePolicy, StageRules
from policies.verdict import harm_of_all, judge
from policies.vocabulary import Decision, Evidence, Finding, Step, WindowPair
from tasks.evidence import sequential
from tasks.evidence.step import due_at
from tasks.evidence.windows import is_rate
from tasks.planning.streams import Part, Stream

ROOM = 1.5  # of a log e-value: how far beyond its bound it might still be
GROUP = " of each group"  # after the name of a guardrail that only its groups wait for
ROWS = "rows"  # what a step waits for that has not seen its least number of them
Cache = dict[Hashable, Evidence]
Where = tuple[str, float, Hashable]  # the step, the time, and when each step was entered


def weigh_harm(
    rail: Guardrail, windows: Sequence[WindowPair], budget: Budget, later_steps: int
) -> Evidence:
    """What ``weigh`` says of harm, and nothing of safety. The windows are in order."""
    ordered = tuple(windows)
    weighed = sequential._weighed(rail, ordered, budget)
    harm = 0.0 if weighed is None else weighed.log_e_harm(rail.rollback_at)
    told = _nothing(rail).model_copy(update={"log_e_harm": harm, "windows": ordered})
    if later_steps and ordered:
        told = sequential._with_onset(told, rail, budget, later_steps)
    return told.model_copy(update={"windows": ()})


def weigh_safe(
    rail: Guardrail,
    windows: Sequence[WindowPair],
    budget: Budget,
    *,
    margin_factor: float,
    live: bool,
) -> Evidence:
    """What ``weigh`` says of safety, and nothing of harm. The windows are in order."""
    margin = rail.margin * margin_factor
    if is_rate(rail) and not rail.relative:
        margin = min(margin, sequential.GREATEST_RATE_MARGIN)
    speaking = tuple(windows)
    if live and rail.is_seen_when_mirrored:
        speaking = tuple(w for w in windows if w.step != sequential.MIRRORED_STEP)
    told = _nothing(rail).model_copy(update={"margin": margin})
    weighed = sequential._weighed(rail, speaking, budget)
    if weighed is None:
        return told
    least = budget.min_clusters if weighed.least is None else weighed.least
    enough, safe = weighed.clusters >= least, weighed.log_e_safe(margin)
    return told.model_copy(
        update={
            "status": "ok" if enough else "scarce",
            "effect": weighed.effect,
            "log_e_safe": safe if enough else min(safe, 0.0),
        }
    )


def _nothing(rail: Guardrail) -> Evidence:
    return Evidence(
        name=rail.name, kind="sequential", status="scarce", margin=rail.margin,
        rollback_at=rail.rollback_at, weight=rail.weight, log_e_harm=0.0, log_e_safe=0.0,
    )  # fmt: skip


@dataclass
class Judge:
    """Looks of one release. ``key``: what, beside the time, settles a stream's windows."""

    policy: ReleasePolicy
    streams: Sequence[Stream]
    keys: Sequence[Hashable]
    cache: Cache
    waits_for: str = ""  # what the last look that could have passed was short of
    _asked_again_at: float = field(default=-math.inf)

    def look(self, step: Step, now: float, entered: Hashable, *, baked: bool) -> Decision:
        """``HOLD`` also where the stage could pass but has not baked: nothing follows from it."""
        due = {rail.name for rail in due_at(self.policy, step)}
        seen = [n for n, each in enumerate(self.streams) if each.rail.name in due]
        for n in seen:
            self.streams[n].see(now)
        where = (step.name, now, entered)
        if self._may_be_harmful(seen) and self._is_harmful(step, seen, where):
            return Decision.ROLL_BACK
        if baked and self._is_safe(step, seen, where):
            return Decision.PASS
        return Decision.HOLD

    def _needed(self) -> float:
        return -math.log(self.policy.budget.rollback_alpha)

    def _most(self, seen: Sequence[int]) -> float:
        """About the most that the average of the harm e-values could be, as a logarithm."""
        most = [
            math.log(part.rail.weight) + bound
            for n in seen
            for part, bound in zip(
                self.streams[n].parts, self.streams[n].harm_at_most(), strict=True
            )
        ]
        return max(most, default=-math.inf) + math.log(max(len(most), 1))

    def _may_be_harmful(self, seen: Sequence[int]) -> bool:
        most = self._most(seen)
        return most >= max(self._needed() - ROOM, self._asked_again_at)

    def _is_harmful(self, step: Step, seen: Sequence[int], where: Where) -> bool:
        found = [e for n in seen for e in self._weigh(step, n, where, harm=True)]
        verdict = judge(self.policy, step, found)
        short = self._needed() - (harm_of_all(found) or 0.0)
        # Not harmful yet: it is asked again when the differences have grown by half of what lacks.
        self._asked_again_at = self._most(seen) + 0.5 * short
        return verdict.decision is Decision.ROLL_BACK

    def _is_safe(self, step: Step, seen: Sequence[int], where: Where) -> bool:
        needed = -math.log(self.policy.budget.promote_beta) - ROOM
        factor, live = self._factor(step), step.weight_bp > 0
        if self._rows(step) < self._least_rows(step):
            self.waits_for = ROWS
            return False
        for n in seen:
            bounds = self.streams[n].safe_at_most(factor, live)
            if min(bounds) < needed:
                self.waits_for = self._named(n, whole=bounds[0] < needed)
                return False
        found: list[Evidence] = []
        for n in seen:
            found += self._weigh(step, n, where, harm=False)
            verdict = judge(self.policy, step, found)
            if verdict.decision is not Decision.PASS:
                unsafe = {each.name for each in verdict.judged if each.finding is not Finding.SAFE}
                self.waits_for = self._named(n, whole=self.streams[n].rail.name in unsafe)
                return False
        return bool(found)

    def _named(self, n: int, *, whole: bool) -> str:
        return self.streams[n].rail.name + ("" if whole else GROUP)

    def _rows(self, step: Step) -> int:
        counted = [rows for each in self.streams if (rows := each.rows_at(step)) is not None]
        return min(counted, default=0)

    def _least_rows(self, step: Step) -> int:
        rules = self.policy.rules_for(step)
        return rules.min_rows if isinstance(rules, StageRules) else 0

    def _factor(self, step: Step) -> float:
        rules = self.policy.rules_for(step)
        return rules.margin_factor if isinstance(rules, StageRules) else 1.0

    def _weigh(self, step: Step, n: int, where: Where, *, harm: bool) -> list[Evidence]:
        return [self._of(step, n, part, where, harm=harm) for part in self.streams[n].parts]

    def _of(self, step: Step, n: int, part: Part, where: Where, *, harm: bool) -> Evidence:
        """Weighed once: other harms to other guardrails leave this one's evidence as it is."""
        seen = len(part.windows) if part.rail.kind == "paired_mean" else where[1]
        key = (self.keys[n], part.rail.name, part.rail.margin, where[0], seen, where[2], harm)
        if key not in self.cache:
            self.streams[n].tell()
            self.cache[key] = self._weighed(step, part, harm=harm)
        return self.cache[key]

    def _weighed(self, step: Step, part: Part, *, harm: bool) -> Evidence:
        budget = self.policy.budget
        if harm:
            return weigh_harm(part.rail, part.windows, budget, self.policy.steps_after_shadow)
        return weigh_safe(
            part.rail, part.windows, budget,
            margin_factor=self._factor(step) if part.widens else 1.0, live=step.weight_bp > 0,
        )  # fmt: skip
