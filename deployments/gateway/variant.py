"""One loaded version that can be asked: in this process, or in one of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Protocol

from deployments.gateway.batcher import Batcher, Busy
from deployments.gateway.isolation import IsolatedModel
from deployments.gateway.model import Answer, ModelFault, Row, load
from deployments.gateway.options import Options
from deployments.gateway.signature import Column
from tasks.traffic.ports import Probe

_TOLD_FAULTS = 3  # different reasons that a probe tells; the count is of all rows
_TURN_CALLS = 4  # timed calls of one variant before it is the other's turn
_PROBE_ROWS = 200  # rows nobody waits for in one call, so that live rows come in between


class Scorer(Protocol):
    """What ``Model`` and ``IsolatedModel`` have in common."""

    @property
    def digest(self) -> str: ...
    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def shows_features(self) -> bool: ...
    @property
    def minds_mirrors(self) -> bool: ...
    @property
    def called(self) -> str: ...
    def score_each(self, rows: Sequence[Row], *, mirrored: bool = False) -> list[Answer]: ...
    def features(self, rows: Sequence[Row]) -> list[dict[str, Any]]: ...
    def time_each(self, row: Row, calls: int) -> list[float]: ...


@dataclass(frozen=True)
class Key:
    """Which files, and whether they run in a process of their own."""

    digest: str
    isolated: bool


class LoadedVariant:
    """Never raises for a model's sake: what goes wrong is an ``Answer`` with an error."""

    def __init__(self, key: Key, scorer: Scorer, options: Options) -> None:
        self.key, self.scorer = key, scorer
        self._limit = options.deadline_seconds
        self._mirror_rows = options.mirror_rows
        self._batcher = Batcher(
            f"scores {key.digest[7:15]}",
            scorer.score_each,
            batch_rows=options.batch_rows,
            waiting_rows=options.waiting_rows,
        )

    @property
    def away(self) -> str | None:
        """Why the variant cannot answer just now; ``None`` when it can."""
        return self.scorer.away if isinstance(self.scorer, IsolatedModel) else None

    @property
    def has_room_for_mirror(self) -> bool:
        return self._batcher.waiting < self._mirror_rows

    async def ask(
        self, rows: Sequence[Row], *, mirrored: bool = False, within: float | None = None
    ) -> list[Answer]:
        """Waits for ``within`` seconds, and at most for two deadlines: that of the call before in
        the queue and its own.
        """
        if (away := self.away) is not None:
            return [Answer(None, away)] * len(rows)
        limit = min(within or math.inf, 2 * self._limit + 0.1)
        try:
            if mirrored and self.key.isolated:
                return await self._ask_aside(rows, limit)
            mirrored = mirrored and self.scorer.minds_mirrors
            return await self._batcher.ask(rows, mirrored=mirrored, seconds=limit)
        except Busy as busy:
            return [Answer(None, str(busy))] * len(rows)
        except TimeoutError:
            return [Answer(None, f"no answer within {limit:g} s")] * len(rows)

    async def _ask_aside(self, rows: Sequence[Row], limit: float) -> list[Answer]:
        """Mirrored rows of a candidate, few at a time: its users' rows come in between."""
        answers: list[Answer] = []
        for at in range(0, len(rows), _PROBE_ROWS):
            some = rows[at : at + _PROBE_ROWS]
            answers += await self._batcher.ask(some, mirrored=True, seconds=limit)
        return answers

    def probe(
        self,
        rows: Sequence[Row],
        timed_calls: int,
        *,
        features: bool,
        champion: LoadedVariant | None = None,
    ) -> Probe:
        """Blocks: call it in a thread. Asks the model itself, past the queue of live rows.

        ``champion`` is timed by turns with this variant.
        """
        answers = [
            answer
            for at in range(0, len(rows), _PROBE_ROWS)
            for answer in self.scorer.score_each(rows[at : at + _PROBE_ROWS], mirrored=True)
        ]
        seen = None
        if features and self.scorer.shows_features:
            try:
                seen = tuple(self.scorer.features(rows))
            except ModelFault as fault:  # counted: who cannot show its features fails parity
                answers = [Answer(None, f"features: {fault}")] * len(rows)
        latency_ms, champion_ms = self._timed(rows, timed_calls, champion)
        memory_mb = self.scorer.memory_mb() if isinstance(self.scorer, IsolatedModel) else None
        return Probe(
            scores=tuple(answer.score for answer in answers),
            features=seen,
            latency_ms=latency_ms,
            champion_ms=champion_ms,
            errors=sum(answer.error is not None for answer in answers),
            memory_mb=memory_mb,
            digest=self.key.digest,
            faults=tuple(dict.fromkeys(a.error[:200] for a in answers if a.error))[:_TOLD_FAULTS],
        )

    def _timed(
        self, rows: Sequence[Row], calls: int, champion: LoadedVariant | None
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Milliseconds of this variant and of the champion; nothing when a call failed."""
        new: list[float] = []
        old: list[float] = []
        try:
            for at in range(0, calls if rows else 0, _TURN_CALLS):
                turn = min(_TURN_CALLS, calls - at)
                new += self.scorer.time_each(rows[0], turn)
                if champion is not None:
                    old += champion.scorer.time_each(rows[0], turn)
        except ModelFault:
            return (), ()
        return tuple(new), tuple(old)

    def close(self) -> None:
        """Takes no more rows. What waits is answered first, in the background."""
        self._batcher.stop()
        Thread(target=self._end, daemon=True).start()

    def end(self) -> None:
        self._batcher.stop()
        self._end()

    def _end(self) -> None:
        if isinstance(self.scorer, IsolatedModel):
            self._batcher.join(self._limit)
            self.scorer.stop()


def load_variant(key: Key, options: Options, closing: Event) -> LoadedVariant:
    """Verify and load; blocks. ``RefusedError`` when the files are not what was released.

    ``closing`` ends a load in a process of its own that is still under way.
    """
    if not key.isolated:
        return LoadedVariant(key, load(options.store, key.digest), options)
    model = IsolatedModel(
        options.store,
        key.digest,
        deadline=options.deadline_seconds,
        load_seconds=options.load_seconds,
        memory_mb=options.candidate_memory_mb,
        closing=closing,
    )
    model.start()
    return LoadedVariant(key, model, options)
