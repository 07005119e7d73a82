"""One simulated look, weighed and judged as the release flow weighs and judges it.

A release is looked at a hundred times, and most looks cannot change anything: the stage has not
baked, and no difference is large. Those are settled from sums. All others go through the flow's
own ``weigh_all`` and ``judge``, asked for harm or for safety, whichever it is about, and without
the intervals that are for people to read. `tests/unit/planning/` holds this beside ``weigh_step``
look by look.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from policies.schema import ReleasePolicy, StageRules
from policies.verdict import judge
from policies.vocabulary import Decision, Evidence, Finding, Step
from tasks.evidence.by_days import Only
from tasks.evidence.sequential import weigh_all
from tasks.evidence.step import due_at
from tasks.planning.streams import Stream

ROOM = 0.5  # of a log e-value: how far beyond its bound it might still be
NEARLY = 0.9  # of what lacks: evidence grows no faster than its bound
GROUP = " of each group"  # after the name of a guardrail that only its groups wait for
GAPS = " · gap of each group"  # … and that only its gaps do
ROWS = "rows"  # what a step waits for that has not seen its least number of them
Cache = dict[Hashable, list[Evidence]]
Weighted = tuple[float, float]  # a part's weight and a log e-value
Where = tuple[Step, Hashable]  # the step, and when each step was entered


@dataclass
class Judge:
    """Looks of one release. ``key``: what, beside the time, settles a stream's windows."""

    policy: ReleasePolicy
    streams: Sequence[Stream]
    keys: Sequence[Hashable]
    cache: Cache
    waits_for: str = ""  # what the last look that could have passed was short of
    _due_at: dict[str, Sequence[int]] = field(default_factory=dict)
    _harm_bounds: dict[int, tuple[Hashable, list[Weighted]]] = field(default_factory=dict)
    _harm_again_at: float = -math.inf
    _safe_again_at: dict[tuple[int, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._later = self.policy.steps_after_shadow

    def look(self, step: Step, now: float, entered: Hashable, *, baked: bool) -> Decision:
        """``HOLD`` also where the stage could pass but has not baked: nothing follows from it."""
        seen = self._due(step)
        for n in seen:
            self.streams[n].see(now)
        where = (step, entered)
        if self._may_be_harmful(seen) and self._is_harmful(seen, where):
            return Decision.ROLL_BACK
        if baked and self._is_safe(seen, where):
            return Decision.PASS
        return Decision.HOLD

    def _due(self, step: Step) -> Sequence[int]:
        if step.name not in self._due_at:
            due = {rail.name for rail in due_at(self.policy, step)}
            found = [n for n, each in enumerate(self.streams) if each.rail.name in due]
            self._due_at[step.name] = found
        return self._due_at[step.name]

    def _needed(self) -> float:
        return -math.log(self.policy.budget.rollback_alpha)

    def _bounds(self, seen: Sequence[int]) -> dict[int, list[Weighted]]:
        """Of every part its weight, and about the most its log e-value for harm could be."""
        return {n: self._bound(n) for n in seen}

    def _bound(self, n: int) -> list[Weighted]:
        stream = self.streams[n]
        if n not in self._harm_bounds or self._harm_bounds[n][0] != stream.known:
            most = stream.harm_at_most(self._later)
            weights = [part.rail.weight for part in stream.parts]
            self._harm_bounds[n] = (stream.known, list(zip(weights, most, strict=True)))
        return self._harm_bounds[n][1]

    def _may_be_harmful(self, seen: Sequence[int]) -> bool:
        most = average(self._bounds(seen).values())
        return most >= max(self._needed() - ROOM, self._harm_again_at)

    def _is_harmful(self, seen: Sequence[int], where: Where) -> bool:
        """Those that could show the most are weighed first, and the rest only if it matters."""
        bounds = self._bounds(seen)
        most = left = average(bounds.values())
        found: list[Evidence] = []
        for n in sorted(seen, key=lambda n: -max(bound for _, bound in bounds[n])):
            found += self._weigh(n, where, "harm")
            bounds[n] = [(e.weight, e.log_e_harm or 0.0) for e in self._weigh(n, where, "harm")]
            left = average(bounds.values())
            if left < self._needed() - ROOM:
                break
        else:
            if judge(self.policy, where[0], found).decision is Decision.ROLL_BACK:
                return True
        # Not harmful yet: it is asked again when the differences have grown by most of what lacks.
        self._harm_again_at = most + NEARLY * max(self._needed() - left, 0.0)
        return False

    def _is_safe(self, seen: Sequence[int], where: Where) -> bool:
        step = where[0]
        if self._rows(step) < self._least_rows(step):
            self.waits_for = ROWS
            return False
        factor, live = self._factor(step), step.weight_bp > 0
        needed = -math.log(self.policy.budget.promote_beta) - ROOM
        least_of: dict[int, float] = {}
        for n in seen:
            bounds = self.streams[n].safe_at_most(factor, live)
            least = max(needed, self._safe_again_at.get((n, step.name), needed))
            if min(bounds) < least:
                short = next(place for place, bound in enumerate(bounds) if bound < least)
                self.waits_for = self._named(n, short)
                return False
            least_of[n] = min(bounds)
        return all(self._is_shown(n, where, least_of[n]) for n in seen) and bool(seen)

    def _is_shown(self, n: int, where: Where, bound: float) -> bool:
        """Asked again when the differences have grown by most of what lacks, as for harm."""
        found = self._weigh(n, where, "safe")
        verdict = judge(self.policy, where[0], found)
        if verdict.decision is Decision.PASS:
            return True
        unsafe = (place for place, told in enumerate(verdict.judged)
                  if told.finding is not Finding.SAFE)  # fmt: skip
        self.waits_for = self._named(n, next(unsafe, 0))
        if len(found) == 1 and found[0].status == "ok":  # of several parts any may be the short one
            short = -math.log(self.policy.budget.promote_beta) - (found[0].log_e_safe or 0.0)
            self._safe_again_at[n, where[0].name] = bound + NEARLY * max(short, 0.0)
        return False

    def _named(self, n: int, place: int) -> str:
        """The guardrail, and which kind of part of it."""
        rail, part = self.streams[n].rail, self.streams[n].parts[place].rail
        if not place:
            return rail.name
        return rail.name + (GROUP if part.gap is None else GAPS)

    def _rows(self, step: Step) -> int:
        counted = [rows for each in self.streams if (rows := each.rows_at(step)) is not None]
        return min(counted, default=0)

    def _least_rows(self, step: Step) -> int:
        rules = self.policy.rules_for(step)
        return rules.min_rows if isinstance(rules, StageRules) else 0

    def _factor(self, step: Step) -> float:
        rules = self.policy.rules_for(step)
        return rules.margin_factor if isinstance(rules, StageRules) else 1.0

    def _weigh(self, n: int, where: Where, only: Only) -> list[Evidence]:
        """Weighed once: other harms to other guardrails leave this one's evidence as it is."""
        stream, (step, entered) = self.streams[n], where
        key = (self.keys[n], stream.rail.margin, step.name, stream.known, entered, only)
        if key not in self.cache:
            stream.tell()
            found = weigh_all(
                (stream.rail,), {part.rail.name: part.windows for part in stream.parts},
                self.policy.budget, margin_factor=self._factor(step),
                later_steps=self._later, live=step.weight_bp > 0, only=only,
            )  # fmt: skip
            self.cache[key] = [each.model_copy(update={"windows": ()}) for each in found]
        return self.cache[key]


def guardrail_of(waited: str) -> str:
    """Whose part it is that was waited for."""
    return waited.removesuffix(GAPS).removesuffix(GROUP)


def average(parts: Iterable[Sequence[Weighted]]) -> float:
    """Log of the weighted average of e-values; what is not there counts as one (``verdict``)."""
    every = [each for part in parts for each in part]
    rest = max(1.0 - math.fsum(weight for weight, _ in every), 0.0)
    top = max((log_e for _, log_e in every), default=0.0)
    return top + math.log(
        math.fsum(weight * math.exp(log_e - top) for weight, log_e in every) + rest * math.exp(-top)
    )
