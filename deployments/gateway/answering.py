"""One request: who answers each row, who also scores it, what happens when somebody cannot.

Every row has exactly one line with ``served``: the arm it was routed to, also when that arm
failed and another answered in its place. What the others scored is ``served=false``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from deployments.gateway.model import Answer, Row
from deployments.gateway.station import Active, Station
from tasks.traffic.audience import belongs
from tasks.traffic.flag import RULE
from tasks.traffic.split import goes_to_candidate

_NOBODY = ("degraded", "error")  # where a chain ends without an answer


@dataclass(frozen=True)
class Asked:
    """One row of a request."""

    id: str
    unit: str
    inputs: Row
    segment: str | None = None
    region: str | None = None


class Given(NamedTuple):
    score: float | None
    arm: str  # who answered
    version: str
    reason: str | None


class Call(NamedTuple):
    """What one arm said to the rows it was asked, by their place in the request."""

    answers: Mapping[int, Answer]
    latency_ms: float


@dataclass
class Counts:
    """What an operator watches. ``shed``: mirrored rows that were not scored for want of room."""

    rows: int = 0
    fallbacks: int = 0
    unanswered: int = 0
    shed: int = 0
    discarded: int = 0
    background: set[asyncio.Task[None]] = field(default_factory=set)


Reasons = Mapping[int, str]  # by row: why this arm answered what was another's
Log = Callable[[Active, str, Mapping[int, bool], Call, Reasons], None]  # arm, row -> served


class Answering:
    """Answers the rows of one request under one ``Active``; ``log`` writes the lines."""

    def __init__(
        self,
        station: Station,
        active: Active,
        rows: Sequence[Asked],
        counts: Counts,
        log: Log,
        now: datetime,
    ) -> None:
        self._now = now  # the world's time: audiences may have hours
        self._station, self._active, self._rows = station, active, rows
        self._counts, self._log = counts, log
        self._calls: dict[str, list[tuple[frozenset[int], asyncio.Task[Call]]]] = {}
        self._fallen: dict[tuple[str, int], str] = {}  # who answered in another's place, and why

    async def answer(self) -> tuple[Active, list[Given]]:
        """The answers, and what they were given under: a kill meanwhile discards and re-routes."""
        routed = [self._route(row) for row in self._rows]
        given = await self._given(routed)
        now = self._station.active
        if now is not None and now.killed_to not in (None, self._active.killed_to):
            self._write([""] * len(routed))  # nobody was given these answers
            self._counts.discarded += len(routed)
            again = Answering(self._station, now, self._rows, self._counts, self._log, self._now)
            return await again.answer()
        self._fallen = {(x.arm, at): x.reason for at, x in enumerate(given) if x.reason}
        self._write(routed)
        self._count(given)
        return self._active, given

    def _route(self, row: Asked) -> str:
        active = self._active
        if active.killed_to is not None:
            return active.killed_to
        weight_bp = weight_of(active, row, self._now) if active.plan.candidate is not None else 0
        to_candidate = goes_to_candidate(active.plan.model, row.unit, weight_bp)
        return "candidate" if to_candidate else "champion"

    async def _given(self, routed: Sequence[str]) -> list[Given]:
        places: dict[str, list[int]] = {}
        for at, arm in enumerate(routed):
            places.setdefault(arm, []).append(at)
        self._begin(places)
        given: dict[int, Given] = {}
        for arm, own in places.items():
            given |= await self._settle(arm, own)
        return [given[at] for at in range(len(routed))]

    def _begin(self, places: Mapping[str, list[int]]) -> None:
        """Ask every arm at once: its own rows and, when mirroring, the other arm's as well.

        One call for both, because a call costs about the same for one row and for hundreds;
        but two for a model that minds the difference.
        """
        every = list(range(len(self._rows)))
        for arm, own in places.items():
            others = sorted(set(every).difference(own))
            if not others or not self._may_mirror(arm, len(others)):
                self._ask(arm, own)
            elif self._asked_apart(arm):
                self._ask(arm, own)
                self._ask(arm, others, mirrored=True)
            else:
                self._ask(arm, every)
        for arm in {"champion", "candidate"} - places.keys():
            if self._may_mirror(arm, len(every)):
                self._ask(arm, every, mirrored=True)

    def _asked_apart(self, arm: str) -> bool:
        """A candidate whose users wait only so long must not be late for mirrored rows' sake."""
        variant = self._active.variants.get(arm)
        minds = variant is not None and variant.scorer.minds_mirrors
        return minds or (arm == "candidate" and self._active.plan.breaker is not None)

    def _may_mirror(self, arm: str, rows: int) -> bool:
        if not self._active.mirror:
            return False
        variant = self._active.variants.get(arm)
        if variant is None or variant.has_room_for_mirror:
            return True
        self._counts.shed += rows
        return False

    def _ask(self, arm: str, places: Sequence[int], *, mirrored: bool = False) -> None:
        task = asyncio.create_task(self._asked(arm, places, mirrored=mirrored))
        self._calls.setdefault(arm, []).append((frozenset(places), task))

    async def _asked(self, arm: str, places: Sequence[int], *, mirrored: bool) -> Call:
        start = time.perf_counter()
        rows = [self._rows[at].inputs for at in places]
        answers = await self._scores(arm, rows, mirrored=mirrored)  # mirrored: nobody waits
        took = (time.perf_counter() - start) * 1000
        return Call(dict(zip(places, answers, strict=True)), took)

    async def _scores(self, arm: str, rows: Sequence[Row], *, mirrored: bool) -> list[Answer]:
        variant = self._active.variants.get(arm)
        if variant is not None:
            rules = self._active.plan.breaker if arm == "candidate" and not mirrored else None
            within = rules.answer_within_ms / 1000 if rules else None
            return await variant.ask(rows, mirrored=mirrored, within=within)
        if arm in _NOBODY:
            return [Answer(None, "killed")] * len(rows)
        score = self._active.plan.baseline
        if score is not None and self._active.version(arm) == RULE:
            return [Answer(score)] * len(rows)
        return [Answer(None, "not loaded")] * len(rows)

    async def _said(self, arm: str, places: Iterable[int]) -> dict[int, Answer]:
        """What an arm says of these rows; it is asked for those it has not been asked for."""
        known = [asked for asked, _ in self._calls.get(arm, ())]
        if lacking := sorted(set(places).difference(*known)):
            self._ask(arm, lacking)
        said: dict[int, Answer] = {}
        for asked, task in self._calls[arm]:
            if not asked.isdisjoint(places):
                said |= (await task).answers
        return said

    async def _settle(self, arm: str, places: Sequence[int]) -> dict[int, Given]:
        """Down the chain until every row has an answer or the chain has ended."""
        given: dict[int, Given] = {}
        why: dict[int, str] = {}
        end = "error"
        for at_hand in (arm, *self._fallbacks(arm)):
            left = [at for at in places if at not in given]
            if not left:
                break
            if at_hand in _NOBODY and at_hand != arm:
                end = at_hand
                break
            said = await self._said(at_hand, left)
            version = self._active.version(at_hand)
            if at_hand == "candidate":
                bad = sum(said[at].error is not None for at in left)
                self._station.heard(self._active, len(left), bad)
            for at in left:
                if (error := said[at].error) is None:
                    reason = f"fallback:{why[at]}" if at in why else None
                    given[at] = Given(said[at].score, at_hand, version, reason)
                else:
                    why.setdefault(at, error)
        if arm in _NOBODY:
            end = arm
        return {at: given.get(at) or Given(None, end, "", why[at]) for at in places}

    def _fallbacks(self, arm: str) -> list[str]:
        """What is there of the policy's chain, below the arm that was asked."""
        if arm in _NOBODY:
            return []
        active = self._active
        killed = active.killed_to not in (None, "champion")  # then nobody gets its answers
        chain = active.plan.fallback if killed else ("champion", *active.plan.fallback)
        below = chain[chain.index(arm) + 1 :] if arm in chain else chain
        there = (*active.variants, *_NOBODY)
        return [name for name in below if name in there or _is_rule(active, name)]

    def _count(self, given: Sequence[Given]) -> None:
        self._counts.rows += len(given)
        self._counts.unanswered += sum(item.score is None for item in given)
        self._counts.fallbacks += sum(item.reason is not None for item in given)

    def _write(self, routed: Sequence[str]) -> None:
        """Log what every arm said; of those still being asked, when they have answered."""
        for arm, calls in self._calls.items():
            for _, task in calls:
                if task.done():
                    self._log_call(arm, routed, task.result())
                    continue
                later = asyncio.create_task(self._log_later(arm, routed, task))
                self._counts.background.add(later)
                later.add_done_callback(self._counts.background.discard)

    async def _log_later(self, arm: str, routed: Sequence[str], task: asyncio.Task[Call]) -> None:
        self._log_call(arm, routed, await task)

    def _log_call(self, arm: str, routed: Sequence[str], call: Call) -> None:
        served = {at: routed[at] == arm for at in call.answers}
        reasons = {at: why for (who, at), why in self._fallen.items() if who == arm}
        self._log(self._active, arm, served, call, reasons)


def weight_of(active: Active, row: Asked, now: datetime) -> int:
    """The candidate's share for this row: none outside of the step's audience."""
    member = belongs(active.plan.audience, row.segment, row.region, now)
    return active.weight_bp if member else 0


def _is_rule(active: Active, name: str) -> bool:
    return active.plan.baseline is not None and active.version(name) == RULE


def lines(
    active: Active,
    arm: str,
    served: Mapping[int, bool],
    call: Call,
    reasons: Reasons,
    rows: Sequence[Asked],
    now: datetime,
    replica: str,
) -> list[dict[str, Any]]:
    """The spool's lines for what one arm said."""
    same: dict[str, Any] = {
        "at": now.isoformat(timespec="microseconds"),
        "model": active.plan.model,
        "release": active.plan.release_id,
        "step": active.plan.step,
        "revision": active.plan.revision,
        "arm": arm,
        "version": active.version(arm),
        "latency_ms": round(call.latency_ms, 3),
        "replica": replica,
    }
    return [
        {
            **same,
            "id": rows[place].id,
            "unit": rows[place].unit,
            "segment": rows[place].segment,
            "region": rows[place].region,
            "weight_bp": weight_of(active, rows[place], now),
            "served": served[place],
            "score": answer.score,
            "error": answer.error,
            "reason": reasons.get(place),
        }
        for place, answer in call.answers.items()
    ]
