"""Holds the replayed world while the release is at work, so that no machine is too slow.

A release's looks fall on the moments its policy names, however long a look, a wake or a
sign-off takes on this machine: the outcome depends on the data alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from policies.lifecycle import Phase, Release, fold, next_move
from policies.vocabulary import Entry
from tasks.connections import World


@dataclass
class Barrier:
    """Called before each tick: the moment the clock may not pass, ``None`` for none."""

    world: World
    model: str
    begins: datetime
    _entries: list[Entry] = field(default_factory=list)
    _state: Release = field(default_factory=Release)
    _seen: int = 0

    def __call__(self) -> datetime | None:
        self._read()
        now = self.world.clock.now(self.model)
        if self._state.phase is Phase.UNOPENED:
            return self.begins
        if self._state.phase is Phase.CLOSED:
            return None
        move = next_move(self._state, self._state.policy, now)
        return move.until if move.kind == "wait" else now

    def _read(self) -> None:
        news = self.world.ledger.entries(model=self.model, after=self._seen)
        if not news:
            return
        self._seen = news[-1].seq
        self._entries += [entry for entry in news if entry.release_id is not None]
        self._state = fold(self._entries)

    @property
    def state(self) -> Release:
        """The release as of the last call."""
        return self._state
